"""The board: entries agree with what is measured elsewhere, and what cannot be is refused."""

import pytest

import lipzoo
from studies.board_entries import FOLDER, read_board, read_entry, write_entry
from studies.board_table import board_table

TEXT = """dataset,MNIST
method,mine
verdict,confirmed
source,"a thesis, page 3"
test images,100
clean,0.9
claim,1
proven bound,0.99
largest ratio,0.8
certified at 36/255,0.5
certified at 1.58,0.25
"""


def written(tmp_path, text):
    path = tmp_path / "mine.csv"
    path.write_text(text)
    return path


def test_entries_of_the_zoo_are_their_models_own():
    known = lipzoo.list_models()
    entries = {entry.texts["method"]: entry for entry in read_board()}
    own = {name: entry for name, entry in entries.items() if name in known}
    assert {"gradflow-mnist", "gradflow-fmnist", "gradflow-fmnist-robust"} <= set(own)
    for name, entry in own.items():
        info = lipzoo.info(name)
        assert entry.numbers["clean"] == info.metrics.clean
        assert entry.certified == {r: share for r, _, share in info.metrics.certified}
        assert entry.numbers["proven bound"] == pytest.approx(info.lipschitz_bound, rel=1e-9)
        assert entry.numbers["largest ratio"] <= entry.numbers["proven bound"]
        assert entry.texts["verdict"] == "confirmed"


def test_an_entry_comes_back_as_it_was_written(tmp_path):
    entry = read_entry(written(tmp_path, TEXT))
    assert entry.audited
    assert (entry.at("1.58"), entry.at("0.3")) == (0.25, None)
    assert entry.texts["source"] == "a thesis, page 3"
    write_entry(tmp_path / "again.csv", entry)
    assert read_entry(tmp_path / "again.csv") == entry
    for path in FOLDER.glob("*.csv"):
        write_entry(tmp_path / path.name, read_entry(path))
        assert read_entry(tmp_path / path.name) == read_entry(path)


def test_tables_have_audited_networks_first():
    rows = board_table("Fashion-MNIST").splitlines()[2:]
    verdicts = [row.split(" | ")[1] for row in rows]
    assert verdicts == sorted(verdicts, key=lambda verdict: verdict == "not audited")
    assert len(set(verdicts)) == 2


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("clean,0.9", "clean,0.4", "shares from 0 to 1 that fall.*0.4, 0.5"),
        ("clean,0.9", "clean,1.2", "shares from 0 to 1.*1.2"),
        ("clean,0.9", "clean,much", "line 6: expected a number.*'much'"),
        ("clean,0.9", "clean,nan", "line 6: expected a number of at least 0.*'nan'"),
        ("clean,0.9", "cleen,0.9", "line 6: expected one of dataset, .*'cleen'"),
        ("clean,0.9", "clean,0.9,1", "line 6: expected a key and a value"),
        ("clean,0.9", "claim,1", "line 7: expected every key once.*'claim'"),
        ("clean,0.9\n", "", "expected test images, clean.*of an audited network"),
        ("dataset,MNIST\n", "", "expected dataset"),
        ("verdict,confirmed", "verdict,refuted", "the verdict confirmed where.*refuted"),
        ("verdict,confirmed", "verdict,not audited", "an audit of audited networks only"),
        ("largest ratio,0.8", "largest ratio,7", "ratio of at most the bound.*7"),
        ("claim,1", "claim,0.95", "the verdict confirmed where.*0.95"),
        ("test images,100", "test images,0", "positive test images.*0"),
        ("dataset,MNIST", "dataset,Mnist", "a dataset among.*Mnist"),
        ("certified at 1.58,0.25", "certified at -1,0.25", "line 11: .*-1"),
        ("certified at 1.58,0.25", "certified at 72/510,0.25", "every radius once"),
        ("verdict,confirmed", "verdict,true", "expected a verdict among.*true"),
        (
            "proven bound,0.99",
            "proven bound,1.5",
            "ratio of at most|the verdict confirmed where.*1.5",
        ),
        ("certified at 1.58", "certified at far", "line 11: .*far"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, old, new, message):
    with pytest.raises(ValueError, match=message) as caught:
        read_entry(written(tmp_path, TEXT.replace(old, new)))
    assert str(caught.value).startswith("mine.csv")

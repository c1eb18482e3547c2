"""What a shell completes, asked of a shell."""

import shutil
import subprocess

import pytest

import lipzoo
import lipzoo_cli
from lipzoo_cli.completion import SHELLS, completion_script, install_completion
from lipzoo_cli.parser import USAGES

TYPED = {
    "": [*USAGES, "--help", "--version"],
    "cer": ["certify"],
    "certify gradflow-f": ["gradflow-fmnist", "gradflow-fmnist-robust"],
    "certify gradflow-fmnist x.npz --norm l": ["l1", "l2", "linf"],
    "certify gradflow-fmnist x.npz --st": ["--standardized"],
    "train hamnet-s": ["hamnet-swissroll"],
    # A folder's or a file's name is the shell's own.
    "certify ./ima": [],
}


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_what_there_is(tmp_path):
    script = tmp_path / "lipzoo"
    script.write_text(completion_script("bash"), encoding="utf-8")
    lines = [f"source {script}"]
    for typed in TYPED:
        words = ["lipzoo", *typed.split()] + [""] * (not typed)
        quoted = " ".join(f"'{word}'" for word in words)
        lines += [f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _lipzoo"]
        lines += ['echo "${COMPREPLY[@]}"']
    done = subprocess.run(
        ["bash", "--norc", "-c", "\n".join(lines)], capture_output=True, text=True, check=True
    )
    found = [line.split() for line in done.stdout.splitlines()]
    assert dict(zip(TYPED, found, strict=True)) == TYPED


@pytest.mark.parametrize("shell", SHELLS)
def test_it_is_written_where_the_shell_looks(shell, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", f"/usr/bin/{shell}")
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert lipzoo_cli.main(["--install-completion"]) == 0
    path, _, _ = capsys.readouterr().out.partition(" is written")
    text = (tmp_path / path).read_text(encoding="utf-8")
    assert (tmp_path / path).is_relative_to(tmp_path)
    for name in (*USAGES, *lipzoo.list_models()):
        assert name in text


def test_another_shell_is_refused(capsys):
    with pytest.raises(ValueError, match=r"one of bash, zsh, fish\. Received: 'tcsh'"):
        install_completion("auto", {"SHELL": "/bin/tcsh", "HOME": "/nowhere"})
    assert lipzoo_cli.main(["--install-completion", "cmd"]) == 2
    assert "Received: 'cmd'" in capsys.readouterr().err

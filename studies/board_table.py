"""The tables of the board, a data set each."""

from lipzoo_catalogue.formatting import format_percent, format_up
from lipzoo_catalogue.markdown import table
from studies.board_entries import Entry, read_board

# At which networks are compared, the first one to sort by.
_RADII = {
    "MNIST": ("0.3", "1.0", "1.58"),
    "Fashion-MNIST": ("0.25", "0.3", "0.5", "1.0"),
    "CIFAR-10": ("36/255", "72/255", "108/255"),
}


def board_table(dataset: str) -> str:
    """The entries of a data set, audited ones first, by certified accuracy at its first radius."""
    radii = _RADII[dataset]
    entries = [entry for entry in read_board() if entry.texts["dataset"] == dataset]
    entries.sort(key=lambda entry: (not entry.audited, -(entry.at(radii[0]) or 0.0)))
    header = [
        "network",
        "claim of a constant",
        "proven bound",
        "clean",
        *(f"ε = {radius}" for radius in radii),
    ]
    header += ["test images", "parameters", "training", "source"]
    return table(header, [_row(entry, radii) for entry in entries])


def _row(entry: Entry, radii) -> list[str]:
    numbers = entry.numbers
    bound, minutes = numbers.get("proven bound"), numbers.get("training minutes")
    count = numbers.get("parameters")
    training = "" if minutes is None else f"{minutes:.0f} min, {entry.texts.get('device', '')}"
    return [
        entry.texts["method"],
        entry.texts["verdict"],
        "" if bound is None else format_up(bound, 5),
        format_percent(numbers.get("clean")),
        *(format_percent(entry.at(radius)) for radius in radii),
        f"{numbers['test images']:,.0f}" if "test images" in numbers else "",
        "" if count is None else f"{count / 1e6:.1f} M",
        training.removesuffix(", "),
        entry.texts["source"],
    ]

"""`python -m documentation.run_notebooks [NAME ...]`: executes the notebooks of docs/notebooks.

Each is a program in cells, a `.py` file, with a `.ipynb` beside it that has the same cells and what
they printed and drew. This writes the second from the first; nothing else of a run is stored, so
that the file changes only where the answers do.
"""

import argparse
import os
import time
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "docs" / "notebooks"
# No notebook takes this long on two cores; one that hangs is ended.
_SECONDS = 600
_LOGGED = ("WARNING:tensorflow:",)


def run(path: Path) -> float:
    """Executes one program and writes its notebook; returns the seconds that it took."""
    import jupytext
    import nbformat
    from nbclient import NotebookClient

    notebook = jupytext.read(path)
    start = time.perf_counter()
    NotebookClient(notebook, timeout=_SECONDS, resources={"metadata": {"path": "."}}).execute()
    seconds = time.perf_counter() - start
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"]}
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{number}", {}
        if cell.cell_type == "code":
            cell.outputs = kept(cell.outputs)
    nbformat.write(notebook, path.with_suffix(".ipynb"))
    return seconds


def kept(outputs: list) -> list:
    """Outputs without what libraries log; what was printed in a row is one output."""
    found = []
    for output in outputs:
        if output.get("name") == "stderr":
            continue
        if output.output_type == "stream":
            lines = output.text.splitlines(keepends=True)
            # TensorFlow takes a notebook for a terminal, and its standard output for a log.
            output.text = "".join(line for line in lines if not line.startswith(_LOGGED))
            if not output.text:
                continue
            if found and found[-1].output_type == "stream":
                found[-1].text += output.text
                continue
        else:
            output.metadata = {}
        found.append(output)
    return found


def main() -> None:
    """Runs all notebooks, or those that are named."""
    parser = argparse.ArgumentParser(prog="python -m documentation.run_notebooks")
    parser.add_argument("names", nargs="*", metavar="NAME", help="as 1-classification")
    names = parser.parse_args().names
    # Figures go into the notebook, whatever the surroundings ask for.
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for path in sorted(FOLDER.glob("*.py")):
        if not names or path.stem in names:
            seconds = run(path)
            size = path.with_suffix(".ipynb").stat().st_size
            print(f"{path.stem:<24}{seconds:>6.0f} s{size / 1e3:>8.0f} kB", flush=True)


if __name__ == "__main__":
    main()

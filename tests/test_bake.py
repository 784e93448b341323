"""Baking: a fresh kernel, a normal form, and nothing that answers a prediction before it is run."""


import nbformat
import pytest

from tools import bake


def notebook(*sources, **metadata):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def saved(path, *sources, **metadata):
    nbformat.write(notebook(*sources, **metadata), path)
    return path


def baked(*arguments):
    return bake.main([str(argument) for argument in arguments])


def test_bake_runs_from_a_fresh_kernel_and_is_stable(tmp_path, capsys):
    path = saved(tmp_path / "n.ipynb", "x = 2", "print('a'); print('b')\nx + 1", widgets={"state": {}})
    assert bake.problems(path)
    assert baked(path) == 0
    once = path.read_bytes()
    done = nbformat.read(path, as_version=4)
    assert [cell.execution_count for cell in done.cells] == [1, 2]
    assert done.cells[1].outputs[0].text == "a\nb\n" and done.cells[1].outputs[1].data["text/plain"] == "3"
    assert "widgets" not in done.metadata and done.metadata.kernelspec.name == "python3"
    assert baked("--check", path) == 0
    assert baked(path) == 0
    assert path.read_bytes() == once, "baking twice must change nothing"
    assert "n.ipynb: fine" in capsys.readouterr().out


def test_bake_writes_nothing_when_a_cell_fails(tmp_path, capsys):
    path = saved(tmp_path / "n.ipynb", "x = 2", "x / 0", "print('never')")
    before = path.read_bytes()
    assert baked(path) == 1
    shown = capsys.readouterr().out
    assert "ZeroDivisionError" in shown and "code cell 2 of 3: x / 0" in shown and "nothing written" in shown
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_bake_runs_quiet_offline_and_cold(tmp_path):
    names = "COURSE_QUIET", "HF_HUB_OFFLINE", "COURSE_CACHE"
    path = saved(tmp_path / "n.ipynb", f"import os\nprint([os.environ[name] for name in {names}])")
    done = bake.execute(nbformat.read(path, as_version=4), tmp_path)
    assert done.cells[0].outputs[0].text.startswith("['1', '1', '")
    assert "course-" in done.cells[0].outputs[0].text


def test_bake_of_a_missing_file_is_told(tmp_path, capsys):
    assert baked(tmp_path / "none.ipynb") == 2
    assert "no such notebook" in capsys.readouterr().err


def test_check_finds_code_that_changed_since_the_outputs(tmp_path):
    path = saved(tmp_path / "n.ipynb", "1 + 1")
    assert baked(path) == 0
    changed = nbformat.read(path, as_version=4)
    changed.cells[0].source = "1 + 2"
    nbformat.write(changed, path)
    assert any("code changed" in problem for problem in bake.problems(path))


def test_normal_form_drops_what_differs_between_machines():
    raw = notebook("f()", language_info={"name": "python", "version": "3.11.7"}, widgets={"state": {}})
    cell = raw.cells[0]
    cell.execution_count = 1
    cell.metadata = {"tags": ["exercise"], "execution": {"iopub.status.busy": "2024"}, "collapsed": False}
    view = {
        "text/plain": f"saved in {bake.ROOT}/data",
        "application/vnd.jupyter.widget-view+json": {"model_id": "1"},
    }
    cell.outputs = [
        nbformat.v4.new_output("display_data", view, metadata={"width": 3}),
        nbformat.v4.new_output("stream", name="stdout", text=f"{bake.ROOT}/data {bake.ROOT}-other"),
    ]
    new = bake.normalise(raw)
    assert new.cells[0].metadata == {"tags": ["exercise"]}
    assert new.cells[0].outputs[0].data == {"text/plain": "saved in ./data"}
    assert new.cells[0].outputs[1].text == f"./data {bake.ROOT}-other"
    assert set(new.metadata) == {"kernelspec", "language_info", "one_mask_apart"}
    assert new.metadata.language_info == {"name": "python"}
    assert bake.normalise(new) == new
    assert cell.metadata["execution"], "the argument is left alone"
    nbformat.validate(new)


def test_a_lesson_has_slides():
    raw = notebook('predict("x")', "# a comment", 'answer = "a"\nreveal("x", answer)')
    raw.cells.insert(0, nbformat.v4.new_markdown_cell("## 1 Title", metadata={"slideshow": {"slide_type": "skip"}}))
    raw.cells.append(nbformat.v4.new_markdown_cell("text", metadata={"slideshow": {"slide_type": "skip"}}))
    kinds = [cell.metadata.get("slideshow", {}).get("slide_type") for cell in bake.normalise(raw).cells]
    assert kinds == ["slide", "subslide", None, "fragment", None]


def test_what_a_click_folded_is_not_stored():
    raw = notebook("x = 1")
    raw.cells[0].metadata["jupyter"] = {"outputs_hidden": True, "source_hidden": True}
    assert bake.normalise(raw).cells[0].metadata["jupyter"] == {"source_hidden": True}


@pytest.mark.filterwarnings("ignore::nbformat.warnings.DuplicateCellId")
def test_cell_ids_stay_and_are_made_unique():
    raw = notebook("a", "b", "c")
    raw.cells[0].id = raw.cells[1].id = "same"
    raw.cells[2].id = "kept"
    ids = [cell.id for cell in bake.normalise(raw).cells]
    assert ids[0] == "same" and ids[2] == "kept" and len(set(ids)) == 3
    assert ids == [cell.id for cell in bake.normalise(raw).cells], "new ids do not change from run to run"

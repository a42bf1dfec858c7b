import json
import os
import re
import stat

import pytest
import yaml

from components.cohort.task import TASKS
from components.errors import InputError, StateError
from pipelines.add import add
from pipelines.batch_list import Source, read_batches
from pipelines.batch_source import open_source
from pipelines.pseudonym_key import pseudonym_key
from tests.pipelines.small_sources import a_source, a_workspace, write_ct


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.delenv("CTLOOP_PSEUDONYM_KEY", raising=False)
    return a_workspace(tmp_path / "ws")


@pytest.fixture
def source(tmp_path):
    return a_source(tmp_path / "scans")


def test_all_batches_of_the_table_are_added_in_order(workspace, source):
    report = add(workspace, source=source)
    assert report.added == (
        ("segmentation", "one", 4),  # three frames and the unmapped file
        ("segmentation", "two", 1),
        ("classification", "one", 3),
        ("classification", "two", 2),
    )
    assert (report.unmapped, report.ignored) == (1, 5)
    assert "patient of its own" in str(report)
    tree = yaml.safe_load(workspace.batches.read_text())
    assert [b["name"] for b in tree["segmentation"]] == ["one", "two"]
    assert len(tree["pseudonym_key"]) == 16


def test_batches_yaml_names_nobody_and_no_path(workspace, source):
    add(workspace, source=source)
    text = workspace.batches.read_text()
    for secret in ("MRN", "Doe", "heart-1", str(source)):
        assert secret not in text
    recorded = json.loads(workspace.sources.read_text())["one"]["segmentation"]
    assert recorded == {"source": str(source), "cases": str(source / "cases.csv")}
    assert stat.S_IMODE(os.stat(workspace.sources).st_mode) == 0o600


def test_adding_again_changes_nothing(workspace, source):
    add(workspace, source=source)
    before = workspace.batches.read_bytes(), workspace.batches.stat().st_mtime_ns
    report = add(workspace, source=source)
    assert report.added == ()
    assert len(report.unchanged) == 4
    assert (workspace.batches.read_bytes(), workspace.batches.stat().st_mtime_ns) == before


def test_one_batch_of_the_table_can_be_added_by_name(workspace, source):
    report = add(workspace, source=source, name="two")
    assert [(task, name) for task, name, _ in report.added] == [
        ("segmentation", "two"),
        ("classification", "two"),
    ]
    add(workspace, source=source, name="one", tasks=["segmentation"])
    assert [b.name for b in read_batches(workspace).batches["segmentation"]] == ["two", "one"]
    assert [b.name for b in read_batches(workspace).batches["classification"]] == ["two"]
    with pytest.raises(InputError, match="in batch 'three', got batches one, two"):
        add(workspace, source=source, name="three")


def test_the_same_batch_has_the_same_digest_alone_or_with_others(workspace, source, tmp_path):
    add(workspace, source=source)
    other = a_workspace(tmp_path / "other")
    add(other, source=source, name="two")
    assert read_batches(other).named("segmentation", "two") == read_batches(workspace).named(
        "segmentation", "two"
    )


@pytest.mark.parametrize("change", ["voxels", "label", "row", "more"])
def test_a_batch_never_changes(workspace, source, change):
    add(workspace, source=source)
    before = workspace.batches.read_bytes()
    if change == "voxels":
        write_ct(source / "cine" / "f1.nii.gz", 99)
    elif change == "label":
        (source / "cine" / "l1.nii.gz").write_bytes(b"other")
    elif change == "row":
        table = source / "cases.csv"
        table.write_text(
            table.read_text().replace("1=left_ventricle", "1=aorta").replace("2=aorta", "3=aorta")
        )
    else:
        write_ct(source / "new.nii.gz", 99)
    with pytest.raises(StateError, match="new name"):
        add(workspace, source=source)
    assert workspace.batches.read_bytes() == before


def test_a_folder_without_a_table_is_one_batch_named_by_its_content(workspace, tmp_path):
    source = tmp_path / "Doe^Jane 1950-01-02"
    for index in range(3):
        write_ct(source / f"{index}.nii", index)
    report = add(workspace, source=source)
    ((_, name, _), (_, same, _)) = report.added
    assert report.added == (("segmentation", name, 3), ("classification", name, 3))
    assert re.fullmatch("batch-[0-9a-f]{8}", name)
    assert name == same
    assert "Doe" not in workspace.batches.read_text()
    assert report.unmapped == 0
    moved = source.rename(tmp_path / "moved")
    assert add(workspace, source=moved).added == ()
    assert add(workspace, source=moved, name="mine", tasks=["classification"]).added[0][1] == "mine"


@pytest.mark.parametrize("name", ["../../../escape", "Doe^Jane", "", "a b", "..", "x" * 65])
def test_a_batch_name_is_no_path_and_no_sentence(workspace, source, name):
    with pytest.raises(InputError, match="batch name of letters"):
        add(workspace, source=source, name=name)
    assert not workspace.batches.exists()


def test_a_file_that_cannot_be_opened_stops_nothing(workspace, tmp_path):
    source = tmp_path / "scans"
    write_ct(source / "a.nii.gz", 1)
    for name in ("gone.nii.gz", "gone", "gone.dcm"):
        (source / name).symlink_to(tmp_path / "nowhere" / name)
    os.mkfifo(source / "pipe")
    report = add(workspace, source=source, tasks=["classification"])
    assert [files for _, _, files in report.added] == [5]


def test_each_task_has_a_version_of_its_answers_from_the_start(workspace, source, monkeypatch):
    versions = []
    monkeypatch.setattr("pipelines.add.add_version", lambda root, folder: versions.append((root, folder)))
    folders = [workspace.answers(task) for task in TASKS]
    for folder in folders:
        folder.with_name("answers.dvc").unlink()
    add(workspace, source=source, tasks=["classification"])
    assert versions == [(workspace.root, folder) for folder in folders]
    assert all((folder / ".keep").exists() for folder in folders)


def test_a_table_that_does_not_fit_is_refused(workspace, source):
    table = source / "cases.csv"
    table.write_text("path,labels\ngone.nii,\n")
    with pytest.raises(InputError, match=r"row 2, column 'path'"):
        add(workspace, source=source)
    table.write_text("path,labels\nDoe_Jane.nii.gz,gone.nii\n")
    with pytest.raises(InputError, match=r"row 2, column 'labels'"):
        add(workspace, source=source)
    table.write_text("path,emphysem\nDoe_Jane.nii.gz,1\n")
    with pytest.raises(InputError, match="emphysema"):
        add(workspace, source=source)


def test_nothing_to_add_is_refused(workspace, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="scans"):
        add(workspace, source=tmp_path / "empty")
    with pytest.raises(InputError, match="folder"):
        add(workspace, source=tmp_path / "gone")


def test_the_key_is_made_once_for_its_owner_alone(workspace, monkeypatch):
    key = pseudonym_key(workspace)
    assert len(key) == 64
    assert stat.S_IMODE(os.stat(workspace.pseudonym_key).st_mode) == 0o600
    assert pseudonym_key(workspace) == key
    os.chmod(workspace.pseudonym_key, 0o644)
    with pytest.raises(StateError, match="owner"):
        pseudonym_key(workspace)
    monkeypatch.setenv("CTLOOP_PSEUDONYM_KEY", "x" * 20)
    assert pseudonym_key(workspace) == b"x" * 20
    monkeypatch.setenv("CTLOOP_PSEUDONYM_KEY", "short")
    with pytest.raises(StateError, match="16 characters"):
        pseudonym_key(workspace)


def test_another_key_is_refused(workspace, source, monkeypatch):
    add(workspace, source=source, name="one")
    monkeypatch.setenv("CTLOOP_PSEUDONYM_KEY", "another key of enough length")
    with pytest.raises(StateError, match="fingerprint"):
        add(workspace, source=source, name="two")


def test_a_lost_key_is_not_replaced_by_a_new_one(workspace, source):
    add(workspace, source=source, name="one")
    workspace.pseudonym_key.unlink()
    with pytest.raises(StateError, match="none on this machine"):
        add(workspace, source=source, name="two")
    assert not workspace.pseudonym_key.exists()


def test_a_folder_that_stays_shut_is_an_error_without_its_name(workspace, source, monkeypatch):
    def shut(root, onerror):
        onerror(PermissionError(13, "Permission denied", str(source / "Doe_Jane")))
        return ()

    monkeypatch.setattr(os, "walk", shut)  # root may enter every folder
    with pytest.raises(InputError, match="can be read whole, got Permission denied") as caught:
        add(workspace, source=source)
    assert "Doe" not in str(caught.value)


def test_the_workspace_is_no_source(workspace, tmp_path):
    with pytest.raises(InputError, match="one that holds this workspace"):
        add(workspace, source=tmp_path)


def test_a_misspelt_structure_is_refused_before_anything_is_recorded(workspace, source):
    table = (source / "cases.csv").read_text().replace("2=aorta", "2=aotra")
    (source / "cases.csv").write_text(table)
    with pytest.raises(InputError, match=r"row 2, column 'label_values'.*'aotra'"):
        add(workspace, source=source)
    assert not workspace.batches.exists()


@pytest.mark.parametrize("text", ["x: [", "segmentation: [{name: 3}]", "- 1"])
def test_a_broken_list_of_batches_is_named(workspace, source, text):
    workspace.batches.write_text(text)
    with pytest.raises(StateError, match=r"data/batches.yaml as"):
        add(workspace, source=source)


def test_a_broken_record_of_sources_is_named(workspace, source):
    workspace.state.mkdir()
    workspace.sources.write_text("{")
    with pytest.raises(StateError, match=r"sources.json in the state folder"):
        add(workspace, source=source)


def digest_with(folder, header, cells):
    folder.mkdir(exist_ok=True)
    (folder / "a.nii").touch()
    (folder / "cases.csv").write_text(
        f"path,patient,site,kvp,lung_nodule{header}\na.nii,p,north,120,1{cells}\n"
    )
    files = open_source(Source(root=folder, cases=folder / "cases.csv"), ("lung_nodule",))
    return files.batch("classification", "one", lambda file: file).digest


def test_columns_that_came_later_change_no_batch_that_does_not_use_them(tmp_path):
    """The digest is that of the version before they came: else every batch with a table would have changed."""
    before = "10d70577b216a95be4a563c9206f9ecc60ec7b57aee8adfbff1b7695f4a36cb2"
    empty = ",rescale_slope,rescale_intercept,spacing_mm,orientation,sex,age", ",,,,,,"
    assert digest_with(tmp_path / "s", "", "") == digest_with(tmp_path / "s", *empty) == before
    used = [
        (",rescale_slope,rescale_intercept", ",1,0"), (",spacing_mm", ",1 1 1"), (",spacing_mm", ",1 1 2"),
        (",orientation", ",LPS"), (",sex", ",F"), (",age", ",0"),
    ]  # fmt: skip
    assert len({before, *(digest_with(tmp_path / "s", *columns) for columns in used)}) == 7

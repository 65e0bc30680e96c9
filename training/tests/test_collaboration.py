"""propose, rank and accept on phantoms: no radiographs, no PyTorch."""
import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training import catalog, workspace as module
from training.adopt import adopt
from training.propose import identity, propose
from training.rank import disagreement, rank
from training.workspace import Refused, Workspace

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "tests/fixtures/zoo/unet-resnet50.onnx"      # untrained: proposes something else than the bundled model
SIZE = 200


def command():
    for path in (os.environ.get("COVMAP"), ROOT / "target/release/covmap", shutil.which("covmap")):
        if path and Path(path).exists():
            return str(path)
    pytest.fail("there is no covmap command: build it, or name it in COVMAP")


@pytest.fixture(scope="session")
def proposed(tmp_path_factory):
    """A workspace with proposals of two models for three phantoms."""
    folder = tmp_path_factory.mktemp("collaboration")
    radiographs, masks = folder / "radiographs", folder / "truth"
    (radiographs / "sub").mkdir(parents=True), masks.mkdir()
    for seed, name in ((1, "a.png"), (2, "b.png"), (3, "sub/a.dcm")):
        made = masks / f"{seed}{Path(name).suffix}"
        subprocess.run([command(), "phantom", "--out", made, "--seed", str(seed), "--size", str(SIZE)]
                       + (["--dicom"] if name.endswith("dcm") else []), check=True, capture_output=True)
        made.rename(radiographs / name)
    w = Workspace(str(folder / "workspace"))
    cases, failed = propose(w, str(radiographs), ["bundled", str(MODEL)], command())
    assert (cases, failed) == (["a", "b", "sub-a"], [])
    return w, radiographs


@pytest.fixture
def work(proposed, tmp_path):
    """A copy of it, to be changed."""
    shutil.copytree(proposed[0].folder, tmp_path / "w")
    return Workspace(str(tmp_path / "w"))


def own_model(w, case):
    return next(iter(w.proposals(case, "lung")))        # only the bundled model knows lungs


def decide(w, mask, **changes):
    arguments = dict(case="a", reader="reader1", layer="infection", source="hand", mask=mask, seconds=12.5, time="2026-01-02T03:04:05Z")
    return w.decide(**(arguments | changes))


def snapshot(w):
    return {p: p.read_bytes() for p in Path(w.folder).rglob("*") if p.is_file() and not p.name.endswith(".part")}


def test_proposals_are_masks_of_both_layers(proposed):
    w, _ = proposed
    for case, row in w.cases().items():
        infection, lung = w.proposals(case, "infection"), w.proposals(case, "lung")
        assert len(infection) == 2 and len(lung) == 1 and set(lung) < set(infection)
        assert all(m.shape == (SIZE, SIZE) and set(np.unique(m)) <= {0, 1} for m in infection.values())
        assert set(np.unique(next(iter(lung.values())))) == {0, 100, 200}
        assert (row["width"], row["height"]) == (str(SIZE), str(SIZE))
        assert os.path.exists(w.path(row["file"]))
    # Right is on the left of the picture.
    columns = np.arange(SIZE)
    right, left = (((lung_of(w) == v).sum(0) @ columns) / (lung_of(w) == v).sum() for v in (100, 200))
    assert right < left


def lung_of(w):
    return w.proposals("a", "lung")[own_model(w, "a")]


def test_proposing_again_changes_nothing(work, proposed):
    decide(work, np.zeros((SIZE, SIZE), np.uint8))
    before = snapshot(work)
    # The workspace has been moved, so `file` differs; the rest must not.
    propose(work, str(proposed[1]), ["bundled", str(MODEL)], command())
    after = snapshot(work)
    assert {p for p in before if before[p] != after[p]} <= {Path(work.path("cases.csv")), *Path(work.folder).rglob("run.json")}
    assert before.keys() == after.keys()


def test_another_radiograph_of_the_same_name_is_refused(work, tmp_path):
    subprocess.run([command(), "phantom", "--out", tmp_path / "other" / "a.png", "--seed", "9", "--size", str(SIZE)], check=True)
    for extra in (tmp_path / "other").glob("a.*.png"):
        extra.unlink()
    with pytest.raises(SystemExit, match="another radiograph is called a"):
        propose(work, str(tmp_path / "other"), ["bundled"], command())


def test_identity_is_safe():
    assert identity("sub/dir/a b") == "sub-dir-a-b"
    assert identity("../../etc/passwd") == "etc-passwd"


def test_disagreement():
    one, two, none = (np.array(m, np.uint8) for m in ([[1, 1, 0, 0]], [[0, 1, 1, 0]], [[0, 0, 0, 0]]))
    assert disagreement([one]) is None
    assert disagreement([one, one]) == 0
    assert disagreement([none, none]) == 0
    assert disagreement([one, none]) == 1
    assert disagreement([one, two]) == pytest.approx(0.5)
    assert disagreement([one, two, one]) == pytest.approx(1 - (0.5 + 1 + 0.5) / 3)


def test_ranking_puts_the_most_disputed_first(work):
    model = own_model(work, "a")
    other = next(m for m in work.proposals("a", "infection") if m != model)
    masks = {"a": (1, 1), "b": (1, 0)}
    for case, values in masks.items():
        for name, value in zip((model, other), values):
            Image.fromarray(np.full((SIZE, SIZE), value, np.uint8)).save(work.proposal_path(case, name, "infection"))
    os.remove(work.proposal_path("sub-a", other, "infection"))
    assert [(r["id"], r["disagreement"]) for r in rank(work)] == [("b", "1.000000"), ("a", "0.000000"), ("sub-a", "")]
    with open(work.path("cases.csv"), newline="") as f:
        assert [r["id"] for r in csv.DictReader(f)] == ["b", "a", "sub-a"]


def test_accepting_a_proposal_editing_it_and_drawing_by_hand(work):
    model = own_model(work, "a")
    mask = work.proposals("a", "infection")[model]
    taken = decide(work, mask, source=model)
    assert taken["edited_pixels"] == 0
    edited = mask.copy()
    edited[:10, :10] = 2
    assert decide(work, edited, source=model)["edited_pixels"] == 100
    drawn = np.zeros((SIZE, SIZE), np.uint8)
    drawn[50:60, 50:70] = 1
    assert decide(work, drawn, reader="reader2")["edited_pixels"] == 200
    lung = lung_of(work)
    decide(work, lung, layer="lung", source=model)
    assert (module.read(work.mask_path("reader1", "a", "infection")) == edited).all()
    assert (module.read(work.mask_path("reader2", "a", "infection")) == drawn).all()
    assert (module.read(work.mask_path("reader1", "a", "lung")) == lung).all()
    assert [(d["reader"], d["layer"], d["source"]) for d in work.decisions()] == [
        ("reader1", "infection", model), ("reader1", "infection", model), ("reader2", "infection", "hand"), ("reader1", "lung", model)]


def test_what_does_not_fit_is_refused_and_changes_nothing(work):
    good = np.zeros((SIZE, SIZE), np.uint8)
    decide(work, good)
    before = snapshot(work)
    wrong = [dict(case="nobody"), dict(case="../a"), dict(reader="../reader2"), dict(reader=""), dict(reader="Reader1"), dict(reader="a/b"),
             dict(reader="reader1\n"), dict(layer="infection", mask=np.full((SIZE, SIZE), 3, np.uint8)), dict(mask=np.zeros((SIZE, SIZE + 1), np.uint8)),
             dict(layer="lung", mask=np.full((SIZE, SIZE), 1, np.uint8)), dict(source="00000000"), dict(source="paper"),
             dict(seconds=-1), dict(seconds=float("nan")), dict(time="yesterday")]
    for changes in wrong:
        with pytest.raises(Refused):
            decide(work, **(dict(mask=good) | changes))
    assert snapshot(work) == before


def test_a_mask_of_somebody_else_is_left_alone(work):
    mask = np.zeros((SIZE, SIZE), np.uint8)
    path = Path(work.mask_path("reader1", "a", "infection"))
    path.parent.mkdir(parents=True)
    Image.fromarray(mask + 1).save(path)        # put there by hand: no decision of reader1's
    before = snapshot(work)
    with pytest.raises(Refused, match="left as it is"):
        decide(work, mask)
    after = snapshot(work)
    assert after.pop(Path(work.path("decisions.jsonl"))) == b"" and after == before
    # And what was decided and then changed by another hand.
    path.unlink()
    decide(work, mask)
    Image.fromarray(mask + 1).save(path)
    with pytest.raises(Refused, match="left as it is"):
        decide(work, mask + 2)


def test_a_crash_between_mask_and_journal_is_healed(work, monkeypatch):
    mask = np.zeros((SIZE, SIZE), np.uint8)
    decide(work, mask)

    def crash(path, data, whole=module.replace):
        whole(path, data)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(module, "replace", crash)
        with pytest.raises(KeyboardInterrupt):
            decide(work, mask + 1)
    assert len(work.decisions()) == 1
    decide(work, mask + 1)
    assert len(work.decisions()) == 2
    assert (module.read(work.mask_path("reader1", "a", "infection")) == 1).all()


def test_a_crash_while_writing_leaves_the_old_mask(work, monkeypatch):
    mask = np.zeros((SIZE, SIZE), np.uint8)
    decide(work, mask)
    before = snapshot(work)
    with monkeypatch.context() as patched:
        patched.setattr(module.os, "replace", lambda *_: (_ for _ in ()).throw(OSError("no space left")))
        with pytest.raises(OSError):
            decide(work, mask + 1)
    assert snapshot(work) == before


def test_a_torn_line_is_no_decision(work):
    mask = np.zeros((SIZE, SIZE), np.uint8)
    decide(work, mask)
    with open(work.path("decisions.jsonl"), "ab") as f:
        f.write(b'{"id": "a", "rea')
    assert len(work.decisions()) == 1
    decide(work, mask, reader="reader2")
    assert [d["reader"] for d in work.decisions()] == ["reader1", "reader2"]


def test_writers_at_the_same_time(work):
    """Each takes its turn: every decision is one whole line."""
    code = """
import sys, numpy as np
from training.workspace import Workspace
w = Workspace(sys.argv[1])
for i in range(20):
    w.decide(case="b", reader=sys.argv[2], layer="infection", source="hand", mask=np.full((200, 200), i % 3, np.uint8), seconds=i, time="2026-01-02T03:04:05Z")
"""
    writers = [subprocess.Popen([sys.executable, "-c", code, work.folder, f"reader{i}"], cwd=ROOT) for i in range(3)]
    assert [p.wait() for p in writers] == [0, 0, 0]
    found = work.decisions()
    assert len(found) == 60
    for i in range(3):
        assert [d["seconds"] for d in found if d["reader"] == f"reader{i}"] == list(range(20))


def test_the_commands(work):
    python = lambda *a: subprocess.run([sys.executable, "-m", *a], cwd=ROOT, capture_output=True, text=True)
    model = own_model(work, "a")
    ranked = python("training.rank", work.folder)
    assert ranked.returncode == 0 and {line.split()[1] for line in ranked.stdout.splitlines()} == {"a", "b", "sub-a"}
    run = python("training.accept", work.folder, "--id", "a", "--reader", "r1", "--layer", "infection", "--proposal", model, "--seconds", "3")
    assert run.returncode == 0 and json.loads(run.stdout) == work.decisions()[0]
    left = python("training.rank", work.folder, "--reader", "r1").stdout
    assert {line.split()[1] for line in left.splitlines()} == {"b", "sub-a"}
    run = python("training.accept", work.folder, "--id", "a", "--reader", "r1", "--layer", "lung", "--proposal", "12345678", "--seconds", "3")
    assert run.returncode == 1 and run.stderr.startswith("refused: ")


def test_readings_are_lines_of_their_schema(work):
    line = dict(id="a", reader="anna", zones=[0, 1, 2, 3, None, 0], comment="", seconds=3.5, time="2026-01-02T03:04:05Z")
    Path(work.path("readings.jsonl")).write_text(json.dumps(line) + "\n" + json.dumps(line)[:20])
    assert work.readings() == [line]
    Path(work.path("readings.jsonl")).write_text(json.dumps(line | {"zones": [4, 0, 0, 0, 0, 0]}) + "\n")
    with pytest.raises(ValueError):
        work.readings()


def test_adopted_masks_take_the_place_of_the_catalogue(tmp_path):
    data, masks = tmp_path / "data", tmp_path / "masks"
    for folder in (data / "images", data / "lung", data / "infection", masks / "infection"):
        folder.mkdir(parents=True)
    columns = ("id", "source", "group", "fold", "finding", "license", "lung_mask", "infection_mask")
    with open(data / "catalog.csv", "w", newline="") as f:
        writer = csv.DictWriter(f, columns)
        writer.writeheader()
        writer.writerows(dict(id=i, source="s", group=i, fold=0, finding="covid", license="", lung_mask="", infection_mask=m) for i, m in (("a", ""), ("b", "yes")))
    save = lambda path, value: Image.fromarray(np.full((4, 5), value, np.uint8)).save(path)
    for name in ("a", "b"):
        save(data / "images" / f"{name}.jpg", 9)
    save(data / "infection/b.png", 1), save(masks / "infection/a.png", 2)
    assert adopt(str(masks), str(data), str(tmp_path / "out")) == {"lung": 0, "infection": 1}
    rows = catalog.load(str(tmp_path / "out"))
    assert [r.outlined for r in rows] == [True, True]
    assert [catalog.mask(str(tmp_path / "out"), r, "infection").max() for r in rows] == [2, 1]
    assert catalog.image(str(tmp_path / "out"), rows[0]).shape == (4, 5)
    save(masks / "infection/elsewhere.png", 1)
    with pytest.raises(SystemExit, match="elsewhere"):
        adopt(str(masks), str(data), str(tmp_path / "out"))

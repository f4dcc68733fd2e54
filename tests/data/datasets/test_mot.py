import pytest
from PIL import Image

from inet_d2.data.datasets import MotRule, load_mot

GT = """2,1,11,21,30,60,1,1,1
1,1,1,1,30,60,1,1,0.5
1,7,100,20,30,60,1,1,0.1
1,8,101,20,30,60,0,1,1
1,9,102,20,30,60,1,7,1
1,10,103,20,30,60,1,3,1
3,2,-4,20.5,30,60,1,1,1
3,1,50,20,0,60,1,1,1
4,2,60,20,30,60,1,1,1
"""


@pytest.fixture
def sequence(tmp_path):
    def write(name, gt=GT, length=4, info=None):
        folder = tmp_path / name
        (folder / "gt").mkdir(parents=True)
        (folder / "gt" / "gt.txt").write_text(gt)
        lines = (
            info or f"[Sequence]\nname={name}\nseqLength={length}\nimWidth=320\nimHeight=240\nimDir=pics\nimExt=.png\n"
        )
        (folder / "seqinfo.ini").write_text(lines)
        return folder

    return write


def people(record):
    return [(a["person_id"], a["iscrowd"], a["bbox"]) for a in record["annotations"]]


def test_records(sequence):
    folder = sequence("A")
    records = load_mot([folder], image_sizes=False)
    assert [r["frame"] for r in records] == [1, 2, 3, 4]
    assert {r["sequence"] for r in records} == {"A"}
    assert records[0]["file_name"] == str(folder / "pics" / "000001.png")
    assert records[0]["image_id"] == "A/000001.png"
    assert (records[0]["width"], records[0]["height"]) == (320, 240)
    assert "camera_id" not in records[0]
    # Pixels are counted from 1. Barely visible, not to be counted and static people are crowds; a car (3) is nothing.
    assert people(records[0]) == [
        (0, 0, [0, 0, 30, 60]),
        (-1, 1, [99, 19, 129, 79]),
        (-1, 1, [100, 19, 130, 79]),
        (-1, 1, [101, 19, 131, 79]),
    ]
    assert people(records[2]) == [(1, 0, [-5, 19.5, 25, 79.5])]
    assert people(records[3])[0][0] == 1


def test_every_second_frame_and_another_visibility(sequence):
    records = load_mot([sequence("A")], MotRule(every=2, min_visibility=0.1), image_sizes=False)
    assert [r["frame"] for r in records] == [1, 3]
    # Identities 1, 2, 7 are left and become 0, 1, 2.
    assert [[p[:2] for p in people(r)] for r in records] == [[(0, 0), (2, 0), (-1, 1), (-1, 1)], [(1, 0)]]


def test_identities_of_several_sequences(sequence):
    folders = [sequence("B"), sequence("A")]
    apart = load_mot(folders, image_sizes=False)
    assert [r["sequence"] for r in apart] == ["B"] * 4 + ["A"] * 4
    assert [people(apart[row])[0][0] for row in (0, 2, 4, 6)] == [2, 3, 0, 1]
    shared = load_mot(folders, MotRule(shared_ids=True), image_sizes=False)
    assert [people(shared[row])[0][0] for row in (0, 2, 4, 6)] == [0, 1, 0, 1]
    assert [r["camera_id"] for r in shared] == [1] * 4 + [2] * 4


def test_the_edition_of_2015(sequence):
    gt = "1,3,11,21,30,60,1,-7.5,-3.6,0\n1,4,11,21,30,60,0,-1,-1,-1\n"
    records = load_mot([sequence("A", gt)], image_sizes=False)
    assert [p[:2] for p in people(records[0])] == [(0, 0), (-1, 1)]
    assert [len(r["annotations"]) for r in records] == [2, 0, 0, 0]


def test_frames_have_the_size_that_they_have(sequence):
    folder = sequence("A", length=1, gt=GT.splitlines()[1])
    with pytest.raises(FileNotFoundError, match=r"mot: expected 1 readable frames, .*000001.png is missing"):
        load_mot([folder])
    (folder / "pics").mkdir()
    Image.new("RGB", (111, 77)).save(folder / "pics" / "000001.png")
    assert [(r["width"], r["height"]) for r in load_mot([folder])] == [(111, 77)]


@pytest.mark.parametrize(
    ("gt", "message"),
    [
        ("", "gt.txt: expected lines of people, found none"),
        ("1,1,1,1,30,60,1,1\n", "line 1: expected frame,id,.* found '1,1,1,1,30,60,1,1' .8 values"),
        (GT + "\n1,1,1,1,30,60,1\n", "line 11: .*7 values"),
        (GT + "1,1,1,1,wide,60,1,1,1\n", "line 10: .*wide"),
        (GT + "1,1,1,1,nan,60,1,1,1\n", "line 10: "),
        (GT + "5,1,1,1,30,60,1,1,1\n", r"expected frames 1 to 4 \(seqLength\), found 5"),
        ("1,1,1,1,30,60,1,7,1\n", "expected somebody of known identity, found nobody"),
    ],
)
def test_ground_truth_that_does_not_fit(sequence, gt, message):
    with pytest.raises(ValueError, match=message):
        load_mot([sequence("A", gt)], image_sizes=False)


@pytest.mark.parametrize(
    "info", ["nothing", "[Sequence]\nimWidth=3\n", "[Sequence]\nseqLength=0\nimWidth=3\nimHeight=3\n"]
)
def test_seqinfo_that_does_not_fit(sequence, info):
    with pytest.raises(ValueError, match=r"seqinfo\.ini: expected .*seqLength, imWidth and imHeight"):
        load_mot([sequence("A", info=info)])


def test_files_that_are_missing(sequence, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"seqinfo\.ini is missing; name folders of MOTChallenge's layout"):
        load_mot([tmp_path / "none"])
    folder = sequence("A")
    (folder / "gt" / "gt.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"gt\.txt is missing; a sequence without ground truth"):
        load_mot([folder])
    with pytest.raises(ValueError, match="expected folders of different names, found none"):
        load_mot([])
    with pytest.raises(ValueError, match="expected folders of different names, found A, A"):
        load_mot([folder, folder])


@pytest.mark.parametrize(("field", "value"), [("every", 0), ("every", 1.5), ("min_visibility", 2), ("shared_ids", 1)])
def test_rules_out_of_range(field, value):
    with pytest.raises(ValueError, match=f"{field}: expected .* found {value!r}"):
        MotRule(**{field: value})

from inet_d2.search.commands.words import num_files, num_people


def test_one_and_many():
    assert [num_files(n) for n in (0, 1, 2)] == ["0 files", "1 file", "2 files"]
    assert [num_people(n) for n in (0, 1, 2)] == ["0 people", "1 person", "2 people"]

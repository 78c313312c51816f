"""Questions to the hierarchy, and what `why` says of classes that became others."""

from tests.cli.shared import Commands

DOG = "n02084071"


def test_macros_need_wordnet_and_nothing_else(fresh: Commands):
    said = fresh.complaint(1, "sql", f"FROM ancestors('{DOG}')")
    assert "table hypernyms does not exist yet" in said and "curate load-wordnet" in said
    fresh("load-wordnet")
    assert "carnivore" in fresh("sql", f"FROM ancestors('{DOG}')")
    assert "puppy" in fresh("sql", f"SELECT name FROM descendants('{DOG}')")
    assert "'animal', 'domestic animal', 'dog']" in fresh("sql", f"SELECT path('{DOG}')")
    assert "table ancestors does not" in fresh.complaint(1, "sql", "FROM ancestors")
    assert "descendants(k)" in fresh("tables")


def test_rare_classes_are_rolled_up_and_say_why(own: Commands):
    count = "SELECT n_classes, n_labels FROM long_tail"
    before = own("sql", count, "--format", "csv").splitlines()[1].split(",")
    own("build-hierarchy", "--min-images", "1000000")
    after = own("sql", count, "--format", "csv").splitlines()[1].split(",")
    assert int(before[0]) > 5 and int(after[0]) < int(before[0])
    image = own("sql", "SELECT image_id FROM mentions WHERE class_key <> '' LIMIT 1", "--format", "csv").splitlines()[1]
    said = own("why", image.strip('"'))
    assert "classes that became others, or none" in said and "few_images" in said

from gesso.families.catalogue import FAMILIES


def test_names_are_unique() -> None:
    names = [family.name for family in FAMILIES]
    assert len(set(names)) == len(names)


def test_every_family_has_a_variant_and_signs() -> None:
    for family in FAMILIES:
        assert family.signs
        assert family.variants
        assert len({each.name for each in family.variants}) == len(family.variants)


def test_every_family_paints_or_says_why_not() -> None:
    for family in FAMILIES:
        for variant in family.variants:
            assert family.text or variant.unsupported, f"{family.name} {variant.name}"
            assert variant.unsupported == "" or len(variant.unsupported.split()) > 3

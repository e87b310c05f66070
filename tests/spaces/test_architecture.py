import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces import SE, Architecture, UserError
from spaces.spec import eca_kernel

SIZES = {"fc": st.integers(1, 512), "fcnb": st.integers(1, 512), "eca": st.sampled_from([1, 3, 11]), "diag": st.just(0)}
blocks = st.one_of(
    st.none(),
    st.sampled_from(list(SIZES)).flatmap(
        lambda form: st.builds(
            SE,
            form=st.just(form),
            size=SIZES[form],
            squeeze=st.sampled_from(["avg", "max", "std"]),
            gate=st.sampled_from(["sigmoid", "hard_sigmoid"]),
            position=st.sampled_from(["pre_addition", "post_addition", "pre_unit", "identity"]),
            ratio=st.one_of(st.none(), st.integers(1, 64)),
        )
    ),
)
architectures = st.builds(Architecture, st.just("cifar_resnet8"), st.lists(blocks, min_size=1, max_size=6).map(tuple))


@given(architectures)
def test_text_and_back(architecture):
    assert Architecture.parse(architecture.key) == architecture
    assert str(architecture) == architecture.key


@given(architectures, architectures)
def test_keys_are_equal_exactly_where_architectures_are(a, b):
    assert (a.key == b.key) == (a == b)
    assert a != b or hash(a) == hash(b)


def test_the_key_has_one_field_for_each_site():
    se = SE("avg", "fc", 2, "sigmoid", "pre_addition")
    assert Architecture("cifar_resnet8", (None, se, None)).key == "cifar_resnet8/-/avg:fc2:sigmoid@pre_addition/-"


@pytest.mark.parametrize(
    ("excitation", "form", "size", "hidden"),
    [("fc16", "fc", 16, 16), ("fc4nb", "fcnb", 4, 4), ("eca3", "eca", 3, 0), ("diag", "diag", 0, 0)],
)
def test_the_text_gives_form_and_size_and_back(excitation, form, size, hidden):
    se = SE.parse(f"avg:{excitation}:sigmoid@identity")
    assert se == SE("avg", form, size, "sigmoid", "identity")
    assert (se.hidden, se.excitation, se.ratio) == (hidden, excitation, None)


@pytest.mark.parametrize(
    "excitation",
    ["eca", "eca2", "eca0", "eca03", "eca3nb", "fc", "fc0", "fcnb", "diag2", "diagnb", "fc4nbx", "fcnb4"],
)
def test_a_wrong_excitation_is_refused_with_the_right_ones(excitation):
    with pytest.raises(UserError, match=f"`{excitation}` is not an excitation; write `fc16`"):
        SE.parse(f"avg:{excitation}:sigmoid@identity")


@pytest.mark.parametrize(
    ("excitation", "form", "size", "hidden"),
    [("ese", "ese", 0, 0), ("none", "none", 0, 0), ("axes8", "axes", 8, 8), ("conv7", "conv", 7, 0)],
)
def test_those_of_other_operators_too(excitation, form, size, hidden):
    test_the_text_gives_form_and_size_and_back(excitation, form, size, hidden)


@pytest.mark.parametrize(
    "excitation", ["ese3", "none1", "axes", "axes0", "conv", "conv4", "conv07", "axes4nb", "Conv7"]
)
def test_a_wrong_one_of_theirs_is_refused(excitation):
    test_a_wrong_excitation_is_refused_with_the_right_ones(excitation)


@pytest.mark.parametrize(
    ("form", "size"), [("fc", 0), ("fc", -1), ("fcnb", 0), ("eca", 0), ("eca", 4), ("eca", -1), ("diag", 1), ("gc", 2)]
)
def test_a_form_has_only_the_sizes_that_can_be_built(form, size):
    with pytest.raises(UserError, match="is not an excitation"):
        SE("avg", form, size, "sigmoid", "identity")


def test_the_ratio_is_no_part_of_the_network():
    known, unknown = (SE("avg", "fc", 2, "sigmoid", "identity", ratio) for ratio in (24, None))
    assert known == unknown
    assert hash(known) == hash(unknown)
    assert str(known) == str(unknown) == "avg:fc2:sigmoid@identity"


@pytest.mark.parametrize(("channels", "kernel"), [(1, 1), (16, 3), (64, 3), (128, 5), (256, 5), (1024, 5), (2048, 7)])
def test_the_kernel_of_eca_follows_from_the_channels(channels, kernel):
    assert eca_kernel(channels) == kernel


@pytest.mark.parametrize(
    "text",
    [
        "",
        "resnet18",
        "/-",
        "net/avg",
        "net/avg:fc0:sigmoid@identity",
        "net/avg:fc2:sigmoid",
        "net/avg:fc2:sigmoid@identity@identity",
        "net/avg:gc2:sigmoid@identity",
    ],
)
def test_what_is_no_architecture_is_refused_with_the_form_to_write(text):
    with pytest.raises(UserError) as caught:
        Architecture.parse(text)
    assert "write" in caught.value.message


def test_plain():
    assert Architecture.plain("net", 3).is_plain
    assert Architecture.plain("net", 3).key == "net/-/-/-"

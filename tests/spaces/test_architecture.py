import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces import SE, Architecture, UserError
from spaces.architecture import eca_kernel, spelled

blocks = st.one_of(
    st.none(),
    st.builds(
        SE,
        squeeze=st.sampled_from(["avg", "max", "std"]),
        excitation=st.one_of(
            st.builds(lambda h, nb: f"fc{h}{nb}", st.integers(1, 512), st.sampled_from(["", "nb"])),
            st.sampled_from(["eca1", "eca3", "eca11", "diag"]),
        ),
        gate=st.sampled_from(["sigmoid", "hard_sigmoid"]),
        position=st.sampled_from(["pre_addition", "post_addition", "pre_unit", "identity"]),
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
    se = SE("avg", "fc2", "sigmoid", "pre_addition")
    assert Architecture("cifar_resnet8", (None, se, None)).key == "cifar_resnet8/-/avg:fc2:sigmoid@pre_addition/-"


@pytest.mark.parametrize(
    ("excitation", "form", "size", "hidden"),
    [("fc16", "fc", 16, 16), ("fc4nb", "fcnb", 4, 4), ("eca3", "eca", 3, 0), ("diag", "diag", 0, 0)],
)
def test_form_and_size_are_read_off_the_excitation(excitation, form, size, hidden):
    se = SE("avg", excitation, "sigmoid", "identity")
    assert (se.form, se.size, se.hidden) == (form, size, hidden)


@pytest.mark.parametrize("excitation", ["eca", "eca2", "eca0", "eca03", "fcnb", "diag2", "fc4nbx"])
def test_what_is_no_excitation_is_refused_with_what_is(excitation):
    with pytest.raises(UserError, match="write `fc16`"):
        SE("avg", excitation, "sigmoid", "identity")


@pytest.mark.parametrize(("channels", "kernel"), [(1, 1), (16, 3), (64, 3), (128, 5), (256, 5), (1024, 5), (2048, 7)])
def test_the_kernel_of_eca_follows_from_the_channels(channels, kernel):
    assert eca_kernel(channels) == kernel
    assert spelled("eca", channels, 0) == f"eca{kernel}"


@pytest.mark.parametrize("text", ["", "resnet18", "/-", "net/avg", "net/avg:fc0:sigmoid@identity", "net/avg:fc2:sigmoid",
                                  "net/avg:fc2:sigmoid@identity@identity", "net/avg:gc2:sigmoid@identity"])  # fmt: skip
def test_what_is_no_architecture_is_refused_with_the_form_to_write(text):
    with pytest.raises(UserError) as caught:
        Architecture.parse(text)
    assert "write" in caught.value.message


def test_plain():
    assert Architecture.plain("net", 3).is_plain
    assert Architecture.plain("net", 3).key == "net/-/-/-"

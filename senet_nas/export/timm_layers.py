"""Which layer of timm computes what an SE block computes, as the text of a call."""

from spaces import SE

# The gates and the squeezes of ours that timm's layers have, by name; timm's tanh is not 1 + tanh.
_GATES = ("sigmoid", "hard_sigmoid", "relu")
_MAXIMUM = {"avg": False, "avgmax": True}
NOTHING = "nn.Identity()"


def call_of(se: SE | None) -> str | None:
    """The call that makes the layer, in which ``channels`` is free; None if timm has no such layer.

    Without an SE it is a layer that does nothing.
    """
    if se is None:
        return NOTHING
    if se.gate not in _GATES:
        return None
    gate = "" if se.gate == "sigmoid" else f", gate_layer={se.gate!r}"
    if se.form == "ese" and se.squeeze in _MAXIMUM:
        maximum = ", add_maxpool=True" if _MAXIMUM[se.squeeze] else ""
        return f"layers.EffectiveSEModule(channels{maximum}, gate_layer={se.gate!r})"
    if se.form == "eca" and se.squeeze == "avg":
        return f"layers.EcaModule(channels=None, kernel_size={se.size}{gate})"
    if se.hidden and se.squeeze in _MAXIMUM:
        bias = {"fcnb": ", bias=False", "fcbn": ", norm_layer=nn.BatchNorm2d"}.get(se.form, "")
        maximum = ", add_maxpool=True" if _MAXIMUM[se.squeeze] else ""
        return f"layers.SEModule(channels, rd_channels={se.size}{bias}{maximum}{gate})"
    return None

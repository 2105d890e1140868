"""What a layer tends to respond to, in words for a first-year student."""

from __future__ import annotations

from model.sight import LayerFacts

_VGG16 = {
    "block1_conv1": (
        "The only layer that looks at the film itself. Each channel slides nine weights over it and answers to one "
        "simple thing: an edge in some direction, a bright spot, plain brightness. You can still recognize the film "
        "in every map."
    ),
    "block1_conv2": (
        "Mixes the edges and spots of the layer before. Lines with a direction become clearer here: rib borders, the "
        "edge of the heart, the letters in the corner."
    ),
    "block1_pool": (
        "Keeps the largest of every four neighbors and halves the size. Nothing is learned here; what matters stays, "
        "and where exactly it was is forgotten a little."
    ),
    "block2_conv1": (
        "Sees patches of 10 pixels. Channels answer to edges of a certain width and direction: a thin rib line and a "
        "broad one light up different maps."
    ),
    "block2_conv2": (
        "Corners, crossings and gentle steps from dark to bright. Look for a channel that follows the ribs, and one "
        "that ignores them."
    ),
    "block2_pool": "Halves the size again. Each cell now stands for 4 × 4 pixels of the network's film.",
    "block3_conv1": (
        "Textures begin: regular stripes, fine grain, smooth areas. In a lung the fine branching of the vessels has a "
        "texture, and haze has another."
    ),
    "block3_conv2": (
        "Combines textures with the shapes around them. Some channels are active in the whole lung, others only along "
        "its rim."
    ),
    "block3_conv3": (
        "Larger pieces of pattern, 40 pixels wide: a stretch of rib with the gap beside it, a curved border such as "
        "the diaphragm."
    ),
    "block3_pool": "Halves the size: 28 × 28 cells are left. The film can only just be made out.",
    "block4_conv1": (
        "Parts of things. One cell sees more than a quarter of the film's width, enough for the whole tip of the "
        "heart. Many channels are silent on a given film: they wait for something that is not there."
    ),
    "block4_conv2": (
        "Parts in their surroundings: haze beside a clear rib gap is not the same as haze below the diaphragm."
    ),
    "block4_conv3": (
        "Few cells answer, and those strongly. What a channel wants is hard to put into words by now; look at where "
        "it lights up on several films."
    ),
    "block4_pool": "Halves the size to 14 × 14 cells, each of which has seen 100 pixels.",
    "block5_conv1": "Each cell has seen more than half of the film. Channels speak of arrangements, not of edges.",
    "block5_conv2": (
        "Fine-tuning changed these layers most: channels that once told dogs from cars now tell one lung from another."
    ),
    "block5_conv3": (
        "The last maps before the answer. Their averages are all that the rest of the network gets to know, and the "
        "heatmap on the light box is made of them."
    ),
    "block5_pool": (
        "The last halving: 7 × 7 cells of 512 channels. Then each channel is averaged to one number, and 512 numbers "
        "decide."
    ),
}


def layer_words(layers: tuple[LayerFacts, ...], name: str) -> str:
    """Return a few sentences about a layer.

    Parameters
    ----------
    layers : tuple of LayerFacts
        All layers of the network; VGG16's have words of their own, others get those for their depth.
    name : str
        The layer.
    """
    if name in _VGG16 and [layer.name for layer in layers] == list(_VGG16):
        return _VGG16[name]
    place = next(k for k, layer in enumerate(layers) if layer.name == name)
    if layers[place].kind == "pooling":
        return "Gathers neighboring cells into one and makes the maps smaller. Nothing is learned here."
    depth = place / max(len(layers) - 1, 1)
    if depth < 1 / 3:
        return "An early layer: channels answer to edges, lines and spots. The film can be recognized in most maps."
    if depth < 2 / 3:
        return "A middle layer: textures and parts of shapes, seen in patches of the film."
    return "A late layer: few cells answer, to arrangements that are hard to put into words."

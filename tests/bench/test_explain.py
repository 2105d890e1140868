"""Everything from one pass, against the usual ways; what a change costs the server; memory over many films."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf
from streamlit.testing.v1 import AppTest

from model.artifacts import sample_films
from model.images import Radiograph, read_radiograph
from model.predictor import Predictor
from model.vgg16 import CONV_NAMES, POOL_NAMES
from tests.app.reading import HEATMAPS, MAPS, component_data, open_page
from tests.app_server import ROOT
from tests.bench.conftest import Network, Record
from tests.bench.films import jpeg_dicom
from tests.bench.report import Measurement
from tests.bench.timing import Times, interleaved

ROUNDS = 5
EARLY, LATE, STEP = 50, 500, 50
Array = np.ndarray


@pytest.mark.filterwarnings("ignore")
def test_one_pass_against_the_usual_recipe_and_tf_keras_vis(network: Network, record: Record) -> None:
    film = read_radiograph(jpeg_dicom(0))
    model = network.model
    batch = tf.constant(network.predictor.prepare(film)[None])
    found: dict[str, list[Array]] = {}
    times = interleaved(
        {
            "ours": lambda: found.update(ours=_ours(network.predictor, film)),
            "usual": lambda: found.update(usual=_usual_recipe(model, batch)),
            "vis": lambda: found.update(vis=_tf_keras_vis(model, batch)),
        },
        rounds=ROUNDS,
        warm_up=1,
    )
    for mine_of_them, other in ((found["ours"], "usual"), (found["ours"][-len(CONV_NAMES) :], "vis")):
        for mine, theirs in zip(mine_of_them, found[other], strict=True):
            np.testing.assert_allclose(mine, theirs, atol=2e-3 * max(float(np.abs(theirs).max()), 1e-9))
    ours, usual, vis = times["ours"], times["usual"], times["vis"]
    what = "Prediction, the maps of all 18 layers and all 13 Grad-CAMs (with it ours works out three more methods)"
    record(
        Measurement(
            bar="usual recipe",
            what=f"{what}: how many times faster than a new sub-model and a tape per layer",
            figure=usual.median / ours.median,
            rule="at least",
            limit=8,
            numbers=f"{ours} against {usual}, median of {ROUNDS}",
        ),
        Measurement(
            bar="tf-keras-vis",
            what="The same: how many times faster than tf-keras-vis, which makes only the 13 Grad-CAMs",
            figure=vis.median / ours.median,
            rule="at least",
            limit=8,
            numbers=f"{ours} against {vis}, median of {ROUNDS}",
        ),
    )


def test_changes_cost_little_and_do_not_run_the_network(record: Record) -> None:
    import ui.network

    page = open_page(MAPS, sample=sample_films()[-1].slug)
    assert component_data(page, "microscope") is not None
    predictor = ui.network.predictor()
    before = predictor.passes
    maps = {
        "layer": [lambda name=name: page.selectbox(key="choose-layer").select(name) for name in _layers(predictor)],
        "channel": [lambda k=k: _put(page, "channel", k) for k in (3, 17, 40)],
        "order": [
            lambda o=o: page.button_group(key="choose-order").set_value(o) for o in ("push", "number", "strength")
        ],
        "cell": [lambda c=c: _put(page, "cell", c) for c in ("1.1", "2.5", "6.6")],
    }
    taken = {name: _timed(changes) for name, changes in maps.items()}
    page.switch_page(HEATMAPS).run()
    heat = {
        "heatmap's layer": [
            lambda name=name: page.select_slider(key="choose-heatmap-layer").set_value(name) for name in CONV_NAMES
        ],
        "method": [
            lambda m=m: page.selectbox(key="choose-method").select(m) for m in ("layer-cam", "grad-cam++", "hires-cam")
        ],
        "colors": [lambda c=c: page.button_group(key="choose-colors").set_value(c) for c in ("cividis", "inferno")],
    }
    taken.update({name: _timed(changes) for name, changes in heat.items()})
    assert predictor.passes == before, "the network ran"
    worst = max(taken, key=lambda name: taken[name].median)
    record(
        Measurement(
            bar="changes",
            what="Server time of a change on the pages of maps and heatmaps, the page's whole script under AppTest; "
            "the opacity costs none, it is the browser's. The network does not run (its passes are counted)",
            figure=1000 * taken[worst].median,
            rule="below",
            limit=150,
            unit="ms",
            numbers=f"the slowest kind is the {worst}; medians: "
            + ", ".join(f"{name} {1000 * times.median:.0f} ms" for name, times in taken.items()),
        )
    )


def test_memory_after_many_explained_films(record: Record) -> None:
    command = [sys.executable, "-m", "tests.bench.explain_many", str(LATE), str(STEP)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=3600)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    seen = {line["films"]: line["resident"] / 1e6 for line in lines}
    record(
        Measurement(
            bar="many films",
            what=f"Growth of a process's resident memory from {EARLY} to {LATE} different films explained, with the "
            "app's cache of what the network did",
            figure=seen[LATE] / seen[EARLY] - 1,
            rule="at most",
            limit=0.05,
            percent=True,
            numbers=", ".join(f"{value:,.0f}" for value in seen.values()) + f" MB after every {STEP} films",
        )
    )


def _ours(predictor: Predictor, film: Radiograph) -> list[Array]:
    sight = predictor.explain(film)
    assert sight.prediction.probability > 0
    return [
        *(sight.maps[name] for name in _all_layers()),
        *(np.maximum(sight.summed["grad-cam", name, "yes"], 0) for name in CONV_NAMES),
    ]


def _usual_recipe(model: keras.Model, batch: tf.Tensor) -> list[Array]:
    """Predict; one sub-model for the maps; for each convolution a new sub-model and a tape."""
    model.predict(batch, verbose=0)
    maps = keras.Model(model.input, [model.get_layer(name).output for name in _all_layers()]).predict(batch, verbose=0)
    heatmaps = []
    for name in CONV_NAMES:
        both = keras.Model(model.input, [model.get_layer(name).output, model.get_layer("logits").output])
        with tf.GradientTape() as tape:
            features, logits = both(batch, training=False)
            score = logits[:, 1] - logits[:, 0]
        weights = tf.reduce_mean(tape.gradient(score, features), axis=(0, 1, 2))
        heatmaps.append(tf.nn.relu(tf.reduce_sum(features * weights, axis=-1)).numpy()[0])
    return [*(one[0] for one in maps), *heatmaps]


def _tf_keras_vis(model: keras.Model, batch: tf.Tensor) -> list[Array]:
    from tf_keras_vis.gradcam import Gradcam

    logits = keras.Model(model.input, model.get_layer("logits").output)
    return [
        np.asarray(
            Gradcam(logits, clone=False)(
                lambda output: (output[0][1] - output[0][0],),
                batch.numpy(),
                penultimate_layer=name,
                seek_penultimate_conv_layer=False,
                expand_cam=False,
                normalize_cam=False,
            )
        )[0]
        for name in CONV_NAMES
    ]


def _all_layers() -> list[str]:
    return sorted([*CONV_NAMES, *POOL_NAMES])


def _layers(predictor: Predictor) -> list[str]:
    return [layer.name for layer in predictor.layers]


def _put(page: AppTest, key: str, value: object) -> AppTest:
    page.session_state["pneumoscope"].place.set(key, value)
    return page


def _timed(changes: list[Callable[[], AppTest]]) -> Times:
    taken = []
    for change in changes:
        changed = change()
        began = time.perf_counter()
        page = changed.run()
        taken.append(time.perf_counter() - began)
        assert not page.exception
    return Times(seconds=tuple(taken))

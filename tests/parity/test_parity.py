"""The same weights and inputs through two engines: what they return is the same.

The engines run on one machine with one thread, so that next to everything is equal to the last bit.
"""

import pytest

EXACT = {}
# Sums in another order.
CLOSE = {"atol": 1e-6, "rtol": 1e-6}
RATES = {"atol": 1e-12}

# What is compared: the functions under experiments/, by name, with the tolerance.
EXPERIMENTS = {
    "config_defaults": EXACT,
    "config_files": EXACT,
    "config_dump": EXACT,
    "config_refusals": EXACT,
    "config_bases": EXACT,
    "state_dicts": EXACT,
    "optimizer_groups": EXACT,
    "random_weights": EXACT,
    "anchors": EXACT,
    "box_coding": EXACT,
    "matching_and_sampling": EXACT,
    "overlaps": EXACT,
    "suppression": EXACT,
    "box_operations": EXACT,
    "instances_and_postprocessing": EXACT,
    "image_lists": EXACT,
    "region_pooling": CLOSE,
    "proposals_one_level": CLOSE,
    "proposals_five_levels": CLOSE,
    "proposal_selection": EXACT,
    "roi_heads_plain": CLOSE,
    "roi_heads_several_classes": CLOSE,
    "roi_heads_unmatched": CLOSE,
    "roi_heads_inet": CLOSE,
    "roi_heads_inet_four_levels": CLOSE,
    "roi_heads_oim": CLOSE,
    "inet_demo": CLOSE,
    "inet_demo_sgd": CLOSE,
    "inet_paper_narrow": CLOSE,
    "oim_demo": CLOSE,
    "faster_rcnn_demo": CLOSE,
    "softmax_demo": CLOSE,
    "crops_demo": CLOSE,
    "frozen_batch_norm": EXACT,
    "faster_rcnn_r50_c4": CLOSE,
    "faster_rcnn_r50_fpn": CLOSE,
    "resnet_18_and_random_weights": CLOSE,
    "inet_r50_c4": CLOSE,
    "inet_r50_fpn": CLOSE,
    "oim_r50_c4": CLOSE,
    "published_weights": EXACT,
    "pair_mapper": EXACT,
    "image_mapper": EXACT,
    "search_mapper": EXACT,
    "crop_mapper": EXACT,
    "unusual_files": EXACT,
    "wrong_size_is_refused": EXACT,
    "resizing": EXACT,
    "read_images": EXACT,
    "pair_loader": EXACT,
    "pair_loader_of_two_pairs": EXACT,
    "image_loader": EXACT,
    "crop_loader": EXACT,
    "test_loader": EXACT,
    "samplers": EXACT,
    "learning_rates_of_our_configurations": RATES,
    "learning_rates": RATES,
    "event_storage": EXACT,
    "checkpoints": EXACT,
    "training_of_crops": CLOSE,
    "training_of_inet": CLOSE,
    "training_of_oim_with_workers": CLOSE,
    "training_that_fails": EXACT,
    "evaluation_of_fixed_weights": CLOSE,
    "evaluation_of_two_processes": CLOSE,
    "coco_figures": EXACT,
    "printed_figures": EXACT,
    "evaluation_of_the_others_checkpoint": CLOSE,
    "resuming_the_others_training": CLOSE,
}


def test_every_experiment_is_compared(results):
    assert [set(outcomes) for outcomes in results] == [set(EXPERIMENTS)] * 2


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_both_engines_return_the_same(name, results, comparison, report):
    outcomes = [side[name] for side in results]
    for side, outcome in zip("AB", outcomes, strict=True):
        assert "error" not in outcome, f"side {side}: {outcome['error']}"
    found = report[name] = comparison(**EXPERIMENTS[name])
    found.compare(*(outcome["value"] for outcome in outcomes))
    assert found.count > 0
    assert found.faults == [], f"{len(found.faults)} differences:\n" + "\n".join(found.faults[:20])

"""Samplers of other libraries in the place of ours: the same searches, told and asked over a pipe.

    python -m benchmarks.peers [--only PEER,...] [--searches N] [--environments DIR]

Each peer lives in a virtual environment of its own (made from requirements/PEER.txt when it is first wanted, beside the
torch that is installed already), so that nobody's versions matter to anybody. It takes the place of the sampler: baselines,
blocks, what not to propose twice, confirmation and report are the product's, so that what is compared is what is proposed;
how the peer would have reported by itself is the column ``observed``. What was measured is in results/peers.json.
"""

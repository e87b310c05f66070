"""Samplers of other libraries in the place of ours: the same searches, told and asked over a pipe.

    python -m benchmarks.peers [--only PEER,...] [--searches N] [--environments DIR]

Each peer has its own virtual environment, made from requirements/PEER.txt at its first use and beside the installed
torch, so that their versions cannot clash. A peer replaces the sampler alone: baselines, blocks, rules against repeated
proposals, confirmation and report are the product's, so only proposals are compared. The column ``observed`` shows how
the peer would have reported by itself. The results are in results/peers.json.
"""

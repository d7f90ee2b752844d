"""Exact tiles in step, without a leader: workers that make an octave by themselves.

Each has some tiles. In every step it sends the others the halos that they need, computes the
gradient of its windows, sends the parts of it that lie in others' cores, adds up what comes in the
order of the plan, and hears from all, by a tree, how far to move.

- `tree`: who tells whom, and in which order scalars are put together;
- `wire`: what is sent, and how what is damaged or foreign is told from it;
- `transport`: how it gets there; here that of a worker alone, in `dreamray.farm.zeromq` by TCP;
- `mailbox`: what has come, what is waited for and how long, and what is sent again;
- `all_reduce`: sums and decisions, by the tree;
- `stopwatch`: what a step's time went into;
- `member`: one worker's part of an octave.
"""

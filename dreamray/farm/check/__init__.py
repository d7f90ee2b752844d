"""`dreamray check`: whether this machine, or each kind of node of a cluster, keeps the promises.

What is measured is measured in fresh processes, as a user's is, and none has the memory, caches or
tuning of another.

- `findings`: what was found, as lines and as JSON;
- `trial`: what one fresh process does: steps, exactness, speed;
- `trial_process`: such a process, from outside;
- `promises`: what has to hold, and how it is tried;
- `speeds`: how fast it is, and how much memory it takes;
- `round_trips`: bytes to another worker, and to a storage and back;
- `torch_step`: the same step in PyTorch, where that is installed;
- `machine_check`: all of it, on one machine.
"""

"""What a user calls: `run`, `function`, `bench`.

running.py           `run`: a program in, its outcome out
function.py          `function`: a callable for a program, by its C prototype
batch.py, batch.s    many calls in one process, for `Function.map`
bench.py, bench.s    `bench`: how long a call takes
"""

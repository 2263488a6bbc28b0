"""What runs a plan: a supervisor, one worker process per step, and one module per technique family.

Importing any module of this package loads no torch; the heavy libraries live and die in a worker.
"""

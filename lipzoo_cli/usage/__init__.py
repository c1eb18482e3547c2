"""How the commands are called: their names, options and help, a module for each command's file.

They stand beside the commands and not in them, because those import Keras at their top: `--help`,
a mistyped option and the commands that only read files would wait for it. Nothing here imports
more than `argparse` and names.
"""

"""One file per family: the facts that tensor names and shapes cannot tell."""

"""Atlases: what each channel of a layer makes of noise, as a set, and as one picture.

| module | |
|---|---|
| `plates` | which channels, and so which dreams: a list of a set's entries |
| `layout` | where each of them lies in the picture, with labels |
| `picture` | the picture as rows, of which a few are held at a time |
| `atlas_job` | a whole run: the set, and the Deep Zoom of it |
"""

"""What P1, P2, P4 and the limits run on until they are ported to :mod:`isaclib.experiments.engine`.

Results here are named series, tasks are functions of JSON payloads. Nothing new belongs here; the
package goes when its last importer does.
"""

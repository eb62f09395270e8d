"""120 answers that a person read and sorted into refusals and others.

Drawn at random (seed 20261101) from the 393 answers of M-IFEval and MT-Bench that apologise or speak of
not being able within their first 160 characters. A refusal declines what was asked, or its main part; an
answer that regrets and then does the work is none. Rows count M-IFEval's answers, then MT-Bench's turns.
"""

from tests.evaluators import rules_data as real

READ = [
    *(31, 103, 163, 572, 819, 879, 1058, 1065, 1355, 1655, 1726, 1961, 1981, 2752, 2875, 2978, 3173),
    *(3231, 3241, 3519, 3659, 3943, 4060, 4145, 4395, 4497, 4534, 4754, 4778, 6230, 6340, 6344, 6358),
    *(7305, 8200, 8218, 8239, 8379, 8867, 8901, 9039, 9754, 9917, 9942, 10010, 10077, 10234, 10406),
    *(10548, 10554, 10563, 10571, 10690, 10814, 10874, 11030, 11038, 11045, 11194, 11413, 11461, 11507),
    *(11522, 11525, 11672, 11674, 11675, 11773, 11774, 11830, 11838, 11934, 11944, 11997, 11998, 12071),
    *(12103, 12154, 12250, 12307, 12450, 12469, 12472, 12474, 12477, 12491, 12539, 12568, 12579, 12598),
    *(12635, 12638, 12954, 12963, 13114, 13145, 13268, 13282, 13374, 13428, 13442, 13540, 13591, 13603),
    *(13758, 13848, 13854, 13913, 14050, 14071, 14085, 14174, 14234, 14237, 14245, 14246, 14402, 14405),
    *(14406, 14417),
]

REFUSED = {
    *(31, 572, 819, 879, 1058, 1065, 1961, 3173, 4395, 6230, 6344, 8200, 8239, 10548, 10571, 11030, 11675),
    *(12469, 12539, 12598, 12635, 13114, 13145, 13428, 14071),
}


def judged_refusals(answers: list[real.Answer]) -> real.Tally:
    """`refusal` against the reader; `answers` are all of M-IFEval, then all of MT-Bench."""
    read = [answers[row] for row in READ]
    return real.tally([row in REFUSED for row in READ], real.verdicts("refusal", read)["failed"].to_list())

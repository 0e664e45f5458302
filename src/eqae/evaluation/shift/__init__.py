"""What a shift of the object does to its features: Lee, Yang and Wang, "What Does CNN Shift Invariance Look Like?"
(2020), with the consistency of decisions of Zhang, "Making Convolutional Networks Shift-Invariant Again" (2019), and
the same questions for turns and mirrors.
"""

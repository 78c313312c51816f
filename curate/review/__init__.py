"""What people look at: the decontamination report, and pairs of images to be judged."""

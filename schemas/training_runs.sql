CREATE TABLE training_runs (
    run_id        VARCHAR NOT NULL,
    manifest_id   VARCHAR NOT NULL,
    recipe        VARCHAR NOT NULL,
    checkpoint    VARCHAR NOT NULL,
    n_steps       BIGINT  NOT NULL CHECK (n_steps >= 0),
    n_images_seen BIGINT  NOT NULL CHECK (n_images_seen >= 0),
    final_loss    DOUBLE  NOT NULL,
    PRIMARY KEY (run_id)
);
COMMENT ON TABLE training_runs IS 'Models trained on manifests.';
COMMENT ON COLUMN training_runs.run_id IS 'Hash of manifest, recipe and parameters.';
COMMENT ON COLUMN training_runs.manifest_id IS 'Manifest that was trained on.';
COMMENT ON COLUMN training_runs.recipe IS 'Recipe.';
COMMENT ON COLUMN training_runs.checkpoint IS 'Checkpoint folder, relative to the workspace. [location]';
COMMENT ON COLUMN training_runs.n_steps IS 'Optimiser steps.';
COMMENT ON COLUMN training_runs.n_images_seen IS 'Images shown, repeats included.';
COMMENT ON COLUMN training_runs.final_loss IS 'Mean training loss of the last epoch or the last 50 steps, whichever is longer; lower = better.';

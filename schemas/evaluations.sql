CREATE TABLE evaluations (
    run_id    VARCHAR NOT NULL,
    eval_set  VARCHAR NOT NULL,
    metric    VARCHAR NOT NULL,
    class_key VARCHAR NOT NULL,
    value     DOUBLE  NOT NULL,
    n_images  BIGINT  NOT NULL CHECK (n_images >= 0),
    PRIMARY KEY (run_id, eval_set, metric, class_key)
);
COMMENT ON TABLE evaluations IS 'How trained models do on evaluation sets.';
COMMENT ON COLUMN evaluations.run_id IS 'Run, see training_runs.';
COMMENT ON COLUMN evaluations.eval_set IS 'Evaluation set, see eval_sets.';
COMMENT ON COLUMN evaluations.metric IS 'top1, top5: share of the images whose class the model knows; top1_class_mean, top5_class_mean: mean over classes. Each also as NAME_clean, over the images of which the training data has no copy, and as NAME_lower, where every leaked image counts as wrong; both are absent where dedup did not compare the set. coverage: share of labelled images whose class the model knows.';
COMMENT ON COLUMN evaluations.class_key IS 'Class that the value is of; '''' = all.';
COMMENT ON COLUMN evaluations.value IS 'The metric''s value in [0, 1]; higher = better.';
COMMENT ON COLUMN evaluations.n_images IS 'Evaluation images behind it.';

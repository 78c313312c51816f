CREATE TABLE eval_sets (
    eval_set   VARCHAR   NOT NULL CHECK (eval_set <> ''),
    root       VARCHAR   NOT NULL,
    format     VARCHAR   NOT NULL,
    n_images   BIGINT    NOT NULL CHECK (n_images >= 0),
    n_expected BIGINT,
    added_at   TIMESTAMP NOT NULL,
    PRIMARY KEY (eval_set)
);
COMMENT ON TABLE eval_sets IS 'Evaluation sets that training data must stay clear of.';
COMMENT ON COLUMN eval_sets.eval_set IS 'Name, as given to --against and --on.';
COMMENT ON COLUMN eval_sets.root IS 'Folder that the uris of its images are relative to. [location]';
COMMENT ON COLUMN eval_sets.format IS 'Layout that was read.';
COMMENT ON COLUMN eval_sets.n_images IS 'Images found, damaged ones included.';
COMMENT ON COLUMN eval_sets.n_expected IS 'Images that the published set has, where its name is known; else NULL.';
COMMENT ON COLUMN eval_sets.added_at IS 'When it was added, UTC. [volatile]';

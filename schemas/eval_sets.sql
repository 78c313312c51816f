CREATE TABLE eval_sets (
    eval_set    VARCHAR   NOT NULL CHECK (eval_set <> ''),
    root        VARCHAR   NOT NULL,
    format      VARCHAR   NOT NULL,
    n_images    BIGINT    NOT NULL CHECK (n_images >= 0),
    n_expected  BIGINT,
    fingerprint VARCHAR   CHECK (length(fingerprint) = 64),
    added_at    TIMESTAMP NOT NULL,
    PRIMARY KEY (eval_set)
);
COMMENT ON TABLE eval_sets IS 'Evaluation sets that training data must stay clear of.';
COMMENT ON COLUMN eval_sets.eval_set IS 'Name, as given to --against and --on.';
COMMENT ON COLUMN eval_sets.root IS 'Folder that the uris of its images are relative to; of an export, the file. [location]';
COMMENT ON COLUMN eval_sets.format IS 'Layout that was read; export = hashes and vectors that were shared without the images.';
COMMENT ON COLUMN eval_sets.n_images IS 'Images found, damaged ones included.';
COMMENT ON COLUMN eval_sets.n_expected IS 'Images that the published set has, where its name is known; else those that its own list names. NULL where it has none.';
COMMENT ON COLUMN eval_sets.fingerprint IS 'SHA-256 over one line ''eval_image_id, tab, sha256, newline'' per image, sorted: the same set has the same one, wherever it lies.';
COMMENT ON COLUMN eval_sets.added_at IS 'When it was added, UTC. [volatile]';

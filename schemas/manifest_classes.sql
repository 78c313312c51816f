CREATE TABLE manifest_classes (
    manifest_id    VARCHAR NOT NULL,
    class_key      VARCHAR NOT NULL,
    class_id       INTEGER CHECK (status <> 'kept' OR class_id IS NOT NULL),
    name           VARCHAR NOT NULL,
    status         VARCHAR NOT NULL CHECK (status IN ('kept', 'excluded', 'undecided')),
    threshold      DOUBLE  CHECK (threshold BETWEEN 0 AND 1),
    n_pairs        BIGINT  NOT NULL CHECK (n_pairs >= 0),
    n_kept         BIGINT  NOT NULL CHECK (n_kept >= 0),
    n_weighted     BIGINT  NOT NULL CHECK (n_weighted >= 0),
    n_inherited    BIGINT  NOT NULL CHECK (n_inherited >= 0),
    kept_precision DOUBLE  CHECK (kept_precision BETWEEN 0 AND 1),
    kept_ci_low    DOUBLE  CHECK (kept_ci_low <= kept_precision),
    evidence       VARCHAR NOT NULL CHECK (evidence IN ('audited', 'model')),
    n_audited      BIGINT  NOT NULL CHECK (n_audited >= 0),
    n_looks        BIGINT  NOT NULL CHECK (n_looks >= 0),
    n_more_audits  BIGINT  CHECK (n_more_audits >= 0),
    rolled_up_to   VARCHAR,
    PRIMARY KEY (manifest_id, class_key)
);
COMMENT ON TABLE manifest_classes IS 'What became of each class in a manifest, and why.';
COMMENT ON COLUMN manifest_classes.manifest_id IS 'Manifest.';
COMMENT ON COLUMN manifest_classes.class_key IS 'Class, see classes.';
COMMENT ON COLUMN manifest_classes.class_id IS 'Dense number from 0 in the order of class_key; NULL where the manifest has no label of the class.';
COMMENT ON COLUMN manifest_classes.name IS 'Name to show.';
COMMENT ON COLUMN manifest_classes.status IS 'kept; excluded: cannot reach the precision; undecided: needs more audits.';
COMMENT ON COLUMN manifest_classes.threshold IS 'Smallest p_correct that was kept with full weight; NULL unless kept.';
COMMENT ON COLUMN manifest_classes.n_pairs IS 'Labels that the selection could choose from: direct ones, and those rolled up to the class, less those over the cap.';
COMMENT ON COLUMN manifest_classes.n_kept IS 'Labels that were kept with full weight: those that kept_precision is about.';
COMMENT ON COLUMN manifest_classes.n_weighted IS 'Other labels of n_pairs, kept with p_correct as their weight; no precision is stated for them.';
COMMENT ON COLUMN manifest_classes.n_inherited IS 'Labels that were filled in as a kept label of a class below implies them.';
COMMENT ON COLUMN manifest_classes.kept_precision IS 'Estimated precision of the kept labels; NULL where none was estimated.';
COMMENT ON COLUMN manifest_classes.kept_ci_low IS 'One-sided lower bound of it at --confidence.';
COMMENT ON COLUMN manifest_classes.evidence IS 'audited or model, as in label_stats.';
COMMENT ON COLUMN manifest_classes.n_audited IS 'Of n_pairs, how many people judged in a designed sample.';
COMMENT ON COLUMN manifest_classes.n_looks IS 'Looks at the class that share the error of its bound.';
COMMENT ON COLUMN manifest_classes.n_more_audits IS 'About how many more audits would decide an undecided class; else NULL.';
COMMENT ON COLUMN manifest_classes.rolled_up_to IS 'Class that all its labels were given to, as it has too few images; else NULL.';

CREATE TABLE label_map (
    surface   VARCHAR NOT NULL,
    candidate VARCHAR NOT NULL,
    rule      VARCHAR NOT NULL CHECK (rule <> ''),
    prior     DOUBLE  NOT NULL CHECK (prior BETWEEN 0 AND 1),
    PRIMARY KEY (surface, candidate)
);
COMMENT ON TABLE label_map IS 'Each surface form that was met, and the classes it can mean before any context is looked at.';
COMMENT ON COLUMN label_map.surface IS 'Normalised form of a label or of a term found in a text.';
COMMENT ON COLUMN label_map.candidate IS 'class_key of a possible meaning; '''' where the form is refused.';
COMMENT ON COLUMN label_map.rule IS 'Named rule that led from the form to the candidate, or that refused it.';
COMMENT ON COLUMN label_map.prior IS 'Share of this meaning among the form''s candidates, from sense frequency; 0 where refused.';

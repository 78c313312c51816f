CREATE TABLE manifests (
    manifest_id VARCHAR NOT NULL,
    parameters  VARCHAR NOT NULL,
    inputs      VARCHAR NOT NULL,
    PRIMARY KEY (manifest_id)
);
COMMENT ON TABLE manifests IS 'Manifests that were built, and what each was made from.';
COMMENT ON COLUMN manifests.manifest_id IS 'Hash of the parameters and of the logical digests of all inputs.';
COMMENT ON COLUMN manifests.parameters IS 'Parameters of build-manifest, a JSON object.';
COMMENT ON COLUMN manifests.inputs IS 'Logical digest of each table that it was made from, a JSON object.';

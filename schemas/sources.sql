CREATE TABLE sources (
    source     VARCHAR   NOT NULL CHECK (source <> ''),
    root       VARCHAR   NOT NULL,
    format     VARCHAR   NOT NULL CHECK (format IN ('webdataset', 'folder', 'table', 'webvision', 'hf-parquet')),
    added_at   TIMESTAMP NOT NULL,
    PRIMARY KEY (source)
);
COMMENT ON TABLE sources IS 'Places that images came from. Every uri in images and manifest is relative to its source''s root.';
COMMENT ON COLUMN sources.source IS 'Name of the source: --source-name, by default the folder''s name.';
COMMENT ON COLUMN sources.root IS 'Folder that the uris of this source are relative to. [location]';
COMMENT ON COLUMN sources.format IS 'Layout that was read: webdataset (tars), folder (class = folder name), table (a list with a path column), webvision (lists in info/) or hf-parquet (images in Parquet).';
COMMENT ON COLUMN sources.added_at IS 'When the source was first ingested, UTC. [volatile]';

CREATE TABLE duplicate_clusters (
    image_id          VARCHAR NOT NULL,
    cluster_id        VARCHAR NOT NULL,
    is_representative BOOLEAN NOT NULL,
    PRIMARY KEY (image_id)
);
COMMENT ON TABLE duplicate_clusters IS 'Images of the corpus that are copies of each other; images without a copy have no row.';
COMMENT ON COLUMN duplicate_clusters.image_id IS 'Image, see images.';
COMMENT ON COLUMN duplicate_clusters.cluster_id IS 'Smallest image_id of the cluster.';
COMMENT ON COLUMN duplicate_clusters.is_representative IS 'True for one image of each cluster: most pixels, then smallest image_id.';

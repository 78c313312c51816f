CREATE TABLE duplicate_candidates (
    image_id       VARCHAR NOT NULL,
    eval_set       VARCHAR NOT NULL,
    eval_image_id  VARCHAR NOT NULL,
    encoder        VARCHAR NOT NULL,
    same_bytes     BOOLEAN NOT NULL,
    phash_distance INTEGER CHECK (phash_distance BETWEEN 0 AND 64),
    similarity     DOUBLE  CHECK (similarity BETWEEN -1.001 AND 1.001),
    tile_similarity DOUBLE CHECK (tile_similarity BETWEEN -1.001 AND 1.001),
    score          DOUBLE,
    transform      VARCHAR,
    scale          DOUBLE  CHECK (scale > 0),
    rotation       DOUBLE  CHECK (rotation BETWEEN -180 AND 180),
    box_left       DOUBLE,
    box_top        DOUBLE,
    box_right      DOUBLE,
    box_bottom     DOUBLE,
    PRIMARY KEY (image_id, eval_set, eval_image_id)
);
COMMENT ON TABLE duplicate_candidates IS 'Pairs of a corpus image and an eval image that were compared; dedup decides on them.';
COMMENT ON COLUMN duplicate_candidates.image_id IS 'Image, see images.';
COMMENT ON COLUMN duplicate_candidates.eval_set IS 'Evaluation set, see eval_sets.';
COMMENT ON COLUMN duplicate_candidates.eval_image_id IS 'Evaluation image, see eval_images.';
COMMENT ON COLUMN duplicate_candidates.encoder IS 'Encoder of similarity; '''' = no descriptors.';
COMMENT ON COLUMN duplicate_candidates.same_bytes IS 'Whether their SHA-256 is equal.';
COMMENT ON COLUMN duplicate_candidates.phash_distance IS 'Hamming distance of their perceptual hashes, 0 to 64, the eval image as it is or mirrored; lower = closer. NULL where one has none.';
COMMENT ON COLUMN duplicate_candidates.similarity IS 'Cosine of their descriptors, the eval image as it is or mirrored; higher = closer. NULL where one has none.';
COMMENT ON COLUMN duplicate_candidates.tile_similarity IS 'Correlation of a thumbnail of a part of the image (a tile, its content without margins) with one of the eval image; higher = closer. NULL unless that alone brought the pair up.';
COMMENT ON COLUMN duplicate_candidates.score IS 'Evidence of their pixels, aligned, that one is a copy of the other; 0 = none, higher = surer. NULL where they were not compared: equal bytes, or an unreadable file.';
COMMENT ON COLUMN duplicate_candidates.transform IS 'What kind of copy, if it is one, as in near_duplicates.';
COMMENT ON COLUMN duplicate_candidates.scale IS 'Pixels of the corpus image per pixel of the eval image, along a line.';
COMMENT ON COLUMN duplicate_candidates.rotation IS 'Degrees by which the eval image was turned, counter-clockwise.';
COMMENT ON COLUMN duplicate_candidates.box_left IS 'Part of the eval image that is seen in the corpus image: left edge, as a fraction of its width.';
COMMENT ON COLUMN duplicate_candidates.box_top IS 'Likewise: top edge, as a fraction of its height.';
COMMENT ON COLUMN duplicate_candidates.box_right IS 'Likewise: right edge.';
COMMENT ON COLUMN duplicate_candidates.box_bottom IS 'Likewise: bottom edge.';

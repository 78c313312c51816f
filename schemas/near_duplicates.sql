CREATE TABLE near_duplicates (
    image_id      VARCHAR NOT NULL,
    eval_set      VARCHAR NOT NULL,
    eval_image_id VARCHAR NOT NULL,
    method        VARCHAR NOT NULL CHECK (method IN ('sha256', 'phash', 'embedding', 'tile')),
    similarity    DOUBLE  NOT NULL CHECK (similarity BETWEEN -1.001 AND 1.001),
    score         DOUBLE,
    p_duplicate   DOUBLE  CHECK (p_duplicate BETWEEN 0 AND 1),
    verdict       VARCHAR CHECK (verdict IN ('copy', 'unsure')),
    transform     VARCHAR,
    scale         DOUBLE  CHECK (scale > 0),
    rotation      DOUBLE  CHECK (rotation BETWEEN -180 AND 180),
    box_left      DOUBLE,
    box_top       DOUBLE,
    box_right     DOUBLE,
    box_bottom    DOUBLE,
    PRIMARY KEY (image_id, eval_set, eval_image_id)
);
COMMENT ON TABLE near_duplicates IS 'Corpus images held to be copies of evaluation images.';
COMMENT ON COLUMN near_duplicates.image_id IS 'Image, see images.';
COMMENT ON COLUMN near_duplicates.eval_set IS 'Evaluation set, see eval_sets.';
COMMENT ON COLUMN near_duplicates.eval_image_id IS 'Evaluation image, see eval_images.';
COMMENT ON COLUMN near_duplicates.method IS 'What found the pair: equal bytes, else near perceptual hashes, else near descriptors, else a part of the image. All but equal bytes were then compared pixel by pixel.';
COMMENT ON COLUMN near_duplicates.similarity IS 'On the method''s own scale, higher = closer: 1 for equal bytes, 1 - distance / 64 for phash, cosine for embedding, correlation of thumbnails for tile.';
COMMENT ON COLUMN near_duplicates.score IS 'Evidence of the pixels that it is a copy, see duplicate_candidates; higher = surer. NULL for equal bytes.';
COMMENT ON COLUMN near_duplicates.p_duplicate IS 'Estimated probability that it is a copy.';
COMMENT ON COLUMN near_duplicates.verdict IS 'What a person said of the pair; NULL where nobody looked. Pairs judged different are not here.';
COMMENT ON COLUMN near_duplicates.transform IS 'What kind of copy, joined by +: identity, resize, hflip, rotate, crop, border, overlay, screenshot, grayscale, color, blur, recompressed, collage; NULL where not known.';
COMMENT ON COLUMN near_duplicates.scale IS 'Pixels of the corpus image per pixel of the eval image, along a line.';
COMMENT ON COLUMN near_duplicates.rotation IS 'Degrees by which the eval image was turned, counter-clockwise.';
COMMENT ON COLUMN near_duplicates.box_left IS 'Part of the eval image that is seen in the corpus image: left edge, as a fraction of its width.';
COMMENT ON COLUMN near_duplicates.box_top IS 'Likewise: top edge, as a fraction of its height.';
COMMENT ON COLUMN near_duplicates.box_right IS 'Likewise: right edge.';
COMMENT ON COLUMN near_duplicates.box_bottom IS 'Likewise: bottom edge.';

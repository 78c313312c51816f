CREATE TABLE images (
    image_id    VARCHAR  NOT NULL CHECK (length(image_id) = 32),
    source      VARCHAR  NOT NULL,
    key         VARCHAR  NOT NULL,
    occurrence  INTEGER  NOT NULL CHECK (occurrence >= 0),
    uri         VARCHAR  NOT NULL,
    byte_offset BIGINT   NOT NULL CHECK (byte_offset >= 0),
    byte_length BIGINT   NOT NULL CHECK (byte_length >= 0),
    url         VARCHAR,
    owner       VARCHAR,
    sha256      VARCHAR CHECK (length(sha256) = 64),
    format      VARCHAR,
    width       INTEGER CHECK (width > 0),
    height      INTEGER CHECK (height > 0),
    phash       UBIGINT,
    decoder     VARCHAR,
    status      VARCHAR  NOT NULL CHECK (status IN ('ok', 'damaged')),
    error       VARCHAR  CHECK ((status = 'damaged') = (error IS NOT NULL)),
    remark      VARCHAR,
    PRIMARY KEY (image_id)
);
COMMENT ON TABLE images IS 'One row per image record of a source, damaged ones included.';
COMMENT ON COLUMN images.image_id IS 'First 128 bits, as 32 hex digits, of SHA-256 over the length-prefixed (source, key, occurrence). No path enters it.';
COMMENT ON COLUMN images.source IS 'Name of the source, see sources.';
COMMENT ON COLUMN images.key IS 'The source''s own key: a tar member''s stem, a path below the folder, or the key column of a list.';
COMMENT ON COLUMN images.occurrence IS 'How many earlier records of the source bear the same key, in shard order; nearly always 0.';
COMMENT ON COLUMN images.uri IS 'File that holds the bytes, relative to the source''s root; a cell of a Parquet file as FILE#row=N&column=NAME, rows from 0. [location]';
COMMENT ON COLUMN images.byte_offset IS 'Where the image begins in that file, in bytes; 0 for a cell. [location]';
COMMENT ON COLUMN images.byte_length IS 'Length of the image in bytes. [location]';
COMMENT ON COLUMN images.url IS 'Where the image was found on the web, if the source says so.';
COMMENT ON COLUMN images.owner IS 'Who posted it, if the source says so.';
COMMENT ON COLUMN images.sha256 IS 'SHA-256 of the stored bytes, lower-case hex. NULL where the bytes could not be read.';
COMMENT ON COLUMN images.format IS 'Format told by content, never by name: jpeg, png, webp, gif, bmp, tiff, ppm, … NULL where none is recognised.';
COMMENT ON COLUMN images.width IS 'Width in pixels as shown, after EXIF orientation. NULL where the header cannot be read.';
COMMENT ON COLUMN images.height IS 'Height in pixels as shown, after EXIF orientation. NULL where the header cannot be read.';
COMMENT ON COLUMN images.phash IS '64-bit DCT perceptual hash, bits in the order of imagehash.phash, first bit highest. NULL where the image is damaged.';
COMMENT ON COLUMN images.decoder IS 'What gave the pixels that phash was made of: libjpeg-turbo (JPEG of grey or YCbCr or RGB pixels) or pillow (everything else). NULL where nothing did.';
COMMENT ON COLUMN images.status IS 'ok: decoded to its end. damaged: not usable as an image, see error.';
COMMENT ON COLUMN images.error IS 'Why the image is damaged; NULL where it is ok.';
COMMENT ON COLUMN images.remark IS 'What is odd about a record that decoded all the same (format unlike its name, EXIF rotation, CMYK, missing or broken metadata); NULL where nothing is.';

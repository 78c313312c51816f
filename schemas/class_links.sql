CREATE VIEW class_links AS
SELECT wnid AS class_key, hypernym_wnid AS parent_key FROM hypernyms
UNION ALL
SELECT class_key, parent_key FROM vocabulary ANTI JOIN hypernyms ON wnid = class_key AND hypernym_wnid = parent_key
WHERE parent_key <> ''
UNION ALL
SELECT class_key, parent_key FROM class_parents WHERE class_key LIKE 'g:%';
COMMENT ON VIEW class_links IS 'Links upwards of everything that can be a class, with or without images: WordNet''s, the vocabulary''s, those of sets of senses.';
COMMENT ON COLUMN class_links.class_key IS 'The more specific class. [key]';
COMMENT ON COLUMN class_links.parent_key IS 'The class right above it. [key]';

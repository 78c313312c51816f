CREATE VIEW class_names AS
SELECT class_key, name FROM vocabulary GROUP BY ALL
UNION ALL
SELECT wnid, name FROM synsets WHERE wnid NOT IN (SELECT class_key FROM vocabulary)
UNION ALL
SELECT class_key, name FROM classes WHERE class_key LIKE 'g:%';
COMMENT ON VIEW class_names IS 'Names of everything that can be a class, with or without images: synsets, the vocabulary, sets of senses.';
COMMENT ON COLUMN class_names.class_key IS 'A wnid, or a class_key, see classes. [key]';
COMMENT ON COLUMN class_names.name IS 'Name to show: the user''s, else WordNet''s.';

-- Questions to the whole hierarchy: WordNet's nouns, own classes of the vocabulary, and sets of senses that labels name.
-- A class is named by its wnid or class_key; one that nobody knows has no rows. Executed wherever views are made.

CREATE MACRO descendants(k) AS TABLE
    WITH RECURSIVE links AS MATERIALIZED (FROM class_links), found(class_key, distance) AS (
        SELECT n.class_key, 0 FROM class_names AS n WHERE n.class_key = k
        UNION
        SELECT l.class_key, f.distance + 1 FROM found AS f JOIN links AS l ON l.parent_key = f.class_key
    )
    SELECT f.class_key, any_value(n.name) AS name, min(f.distance) AS distance
    FROM found AS f JOIN class_names AS n ON n.class_key = f.class_key
    GROUP BY f.class_key
    ORDER BY distance, f.class_key;
COMMENT ON MACRO TABLE descendants IS 'The class k and everything below it: class_key, name, distance (links on the shortest path).';

CREATE MACRO ancestors(k) AS TABLE
    WITH RECURSIVE links AS MATERIALIZED (FROM class_links), found(class_key, distance) AS (
        SELECT n.class_key, 0 FROM class_names AS n WHERE n.class_key = k
        UNION
        SELECT l.parent_key, f.distance + 1 FROM found AS f JOIN links AS l ON l.class_key = f.class_key
    )
    SELECT f.class_key, any_value(n.name) AS name, min(f.distance) AS distance
    FROM found AS f JOIN class_names AS n ON n.class_key = f.class_key
    GROUP BY f.class_key
    ORDER BY distance, f.class_key;
COMMENT ON MACRO TABLE ancestors IS 'The class k and everything above it: class_key, name, distance (links on the shortest path).';

CREATE MACRO lca(a, b) AS TABLE
    WITH shared AS MATERIALIZED (
        SELECT x.class_key, x.name, x.distance AS distance_a, y.distance AS distance_b
        FROM ancestors(a) AS x JOIN ancestors(b) AS y ON x.class_key = y.class_key
    )
    SELECT class_key, name, distance_a, distance_b
    FROM shared
    WHERE class_key NOT IN (SELECT l.parent_key FROM class_links AS l JOIN shared AS s ON s.class_key = l.class_key)
    ORDER BY distance_a + distance_b, class_key;
COMMENT ON MACRO TABLE lca IS 'Lowest common ancestors of the classes a and b, those above no other shared one: class_key, name, distance_a, distance_b.';

CREATE MACRO path(k) AS (
    WITH RECURSIVE links AS MATERIALIZED (FROM class_links), found(class_key, way) AS (
        SELECT n.class_key, [n.class_key] FROM class_names AS n WHERE n.class_key = k
        UNION ALL
        SELECT l.parent_key, min(list_append(f.way, l.parent_key))
        FROM found AS f JOIN links AS l ON l.class_key = f.class_key
        GROUP BY l.parent_key
    ), shortest AS (
        SELECT way FROM found AS f ANTI JOIN links AS l ON l.class_key = f.class_key
        ORDER BY len(way), way LIMIT 1
    )
    SELECT list(n.name ORDER BY u.place DESC)
    FROM (SELECT unnest(way) AS class_key, generate_subscripts(way, 1) AS place FROM shortest) AS u
    JOIN class_names AS n ON n.class_key = u.class_key
);
COMMENT ON MACRO path IS 'Names of the classes on the shortest way from a root down to the class k, as a list; of several the one of smaller class_keys, told from k upwards.';

CREATE MACRO unknown_classes(i) AS TABLE
    SELECT DISTINCT b.class_key, c.name
    FROM image_labels AS l JOIN ancestors AS b ON b.ancestor_key = l.class_key AND b.distance > 0
    JOIN classes AS c ON c.class_key = b.class_key
    WHERE l.image_id = i AND l.origin = 'direct'
      AND b.class_key NOT IN (SELECT class_key FROM image_labels WHERE image_id = i)
    ORDER BY b.class_key;
COMMENT ON MACRO TABLE unknown_classes IS 'Classes below the direct labels of the image i that it is not labelled with: nothing is known about them, they are no negatives. class_key, name.';

"""The questions that the comparison asks a workspace, with the truth beside it as truth_posts and so on."""

SETUP = """
CREATE OR REPLACE TEMP TABLE shown AS
    SELECT image_id, key, status, remark, t.class_key AS wnid, kind, transform, copy_of, damage, outcome
    FROM images JOIN truth_posts AS t USING (key);
-- A class is right for a picture if it holds its synset, or lies above one that does.
CREATE OR REPLACE TEMP TABLE fits AS
    SELECT DISTINCT image_id, ancestor_key AS class_key
    FROM shown JOIN class_members USING (wnid) JOIN ancestors USING (class_key);
CREATE OR REPLACE TEMP TABLE labelled AS
    SELECT image_id, class_key, kind, f.class_key IS NOT NULL AS is_correct
    FROM image_labels JOIN shown USING (image_id) LEFT JOIN fits AS f USING (image_id, class_key)
    WHERE origin = 'direct' AND kind <> 'damaged';
CREATE OR REPLACE TEMP TABLE kept AS
    SELECT image_id, class_key, kind, f.class_key IS NOT NULL AS is_correct
    FROM (SELECT image_id, unnest(class_keys) AS class_key FROM manifest WHERE manifest_id = $manifest_id)
    JOIN shown USING (image_id) LEFT JOIN fits AS f USING (image_id, class_key)
    WHERE kind <> 'damaged';
"""
"""Pictures with what they show, classes that fit them, direct labels and kept labels; $manifest_id."""

CLASSES = """
SELECT t.title, t.wnid, coalesce(l.n, 0), coalesce(l.share, t.true_precision) AS true_precision,
       s.precision, s.ci_low, s.ci_high, c.status, coalesce(k.n, 0), k.share
FROM truth_classes AS t
LEFT JOIN label_stats AS s ON s.class_key = t.wnid
LEFT JOIN manifest_classes AS c ON c.class_key = t.wnid AND c.manifest_id = $manifest_id
LEFT JOIN (SELECT class_key, count(*) AS n, avg(is_correct::INT) AS share FROM labelled GROUP BY ALL) AS l
    ON l.class_key = t.wnid
LEFT JOIN (SELECT class_key, count(*) AS n, avg(is_correct::INT) AS share FROM kept GROUP BY ALL) AS k
    ON k.class_key = t.wnid
ORDER BY true_precision, t.wnid
"""
"""One row per planted class; $manifest_id."""

MAPPED = """
WITH planted AS (
    SELECT DISTINCT key, wnid FROM truth_pairs JOIN truth_posts USING (key) WHERE kind <> 'damaged'
), found AS (
    SELECT DISTINCT key, m.wnid FROM labelled JOIN shown USING (image_id) JOIN class_members AS m USING (class_key)
    WHERE m.wnid IN (SELECT wnid FROM truth_classes)
)
SELECT (SELECT count(*) FROM planted SEMI JOIN found USING (key, wnid)), (SELECT count(*) FROM planted),
       (SELECT count(*) FROM found)
"""
"""Labels planted and mapped to their class, planted, mapped to any class of the label space."""

LEAKS = """
SELECT t.transform, count(DISTINCT s.key), count(DISTINCT t.key)
FROM truth_leaks AS t
LEFT JOIN (
    SELECT key, regexp_replace(eval_image_id, '[.][a-z]+$', '') AS eval_image_id
    FROM near_duplicates JOIN images USING (image_id)
) AS s ON s.key = t.key AND s.eval_image_id = regexp_replace(t.eval_image_id, '[.][a-z]+$', '')
GROUP BY t.transform
"""
"""Leaks found with their own evaluation image, and planted, by transform."""

FALSE_HITS = """
SELECT count(DISTINCT image_id) FROM near_duplicates JOIN shown USING (image_id) WHERE kind <> 'leak'
"""
"""Posts held to be leaks that are none."""

COPIES = """
SELECT CASE WHEN s.transform = 'identity' THEN 'same bytes' ELSE 'changed' END,
       count(*) FILTER (WHERE a.cluster_id = b.cluster_id), count(*)
FROM shown AS s JOIN shown AS o ON o.key = s.copy_of
LEFT JOIN duplicate_clusters AS a ON a.image_id = s.image_id
LEFT JOIN duplicate_clusters AS b ON b.image_id = o.image_id
WHERE s.kind = 'near_dup' GROUP BY 1 ORDER BY 1 DESC
"""
"""Copies found in one cluster with their original, and planted."""

DAMAGED = """
SELECT t.damage, count(*) FILTER (WHERE CASE t.outcome
           WHEN 'damaged' THEN s.status = 'damaged'
           WHEN 'odd' THEN s.status = 'ok' AND s.remark IS NOT NULL
           ELSE s.image_id IS NULL AND EXISTS (SELECT 1 FROM rejects WHERE contains(locator, t.key)) END), count(*)
FROM truth_posts AS t LEFT JOIN shown AS s USING (key) WHERE t.damage IS NOT NULL GROUP BY t.damage ORDER BY t.damage
"""
"""Damaged posts told for what they are, and planted, by kind."""

PAIRS = """
SELECT (SELECT count(*) FILTER (WHERE is_correct) FROM labelled), (SELECT count(*) FROM labelled),
       (SELECT count(*) FILTER (WHERE is_correct) FROM kept), (SELECT count(*) FROM kept),
       (SELECT count(*) FILTER (WHERE is_correct) FROM kept WHERE kind <> 'leak'),
       (SELECT count(*) FILTER (WHERE is_correct) FROM labelled WHERE kind <> 'leak'),
       (SELECT count(DISTINCT image_id) FROM kept WHERE kind = 'leak')
"""
"""Right and all labels, right and all kept; on no leaks: right ones kept, right ones; leaks kept."""

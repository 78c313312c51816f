CREATE VIEW cluster_labels AS
WITH direct AS (
    SELECT DISTINCT image_id, u.kept_key AS class_key
    FROM mentions AS m JOIN rollups AS u USING (class_key)
    WHERE u.kept_key <> ''
), sizes AS (
    SELECT cluster_id, count(*) AS n_members FROM duplicate_clusters GROUP BY cluster_id
)
SELECT c.cluster_id, d.class_key,
       count(*) AS n_images,
       count(DISTINCT coalesce(i.owner, i.image_id)) AS n_owners,
       any_value(s.n_members) AS n_members
FROM duplicate_clusters AS c
JOIN direct AS d USING (image_id) JOIN images AS i USING (image_id) JOIN sizes AS s USING (cluster_id)
GROUP BY c.cluster_id, d.class_key;
COMMENT ON VIEW cluster_labels IS 'Direct labels of all copies of a picture, united: how many copies, and how many owners, say so. A view, never stored.';
COMMENT ON COLUMN cluster_labels.cluster_id IS 'Cluster, see duplicate_clusters. [key]';
COMMENT ON COLUMN cluster_labels.class_key IS 'Class that a copy was labelled with, see classes. [key]';
COMMENT ON COLUMN cluster_labels.n_images IS 'Copies with this label.';
COMMENT ON COLUMN cluster_labels.n_owners IS 'Different owners among them; a copy without an owner counts as one.';
COMMENT ON COLUMN cluster_labels.n_members IS 'Copies in the cluster.';

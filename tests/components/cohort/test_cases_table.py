import pytest

from components.cohort.cases_table import merged, parse_cases
from components.cohort.scan import Acquisition, StatedVoxels
from components.errors import InputError

FINDINGS = ("emphysema", "lung_nodule")


def parse(text):
    return parse_cases(text, FINDINGS)


def test_every_column_is_read():
    table = parse(
        "path,patient,task,batch,case,site,manufacturer,model,kernel,kvp,slice_thickness_mm,phase,acquired_at,"
        "labels,label_values,labelled_by,emphysema,lung_nodule\n"
        "a/b.nii.gz,P 1,segmentation;classification,first,c-1,north,ACME,R1,B30,120,1.5,0;12.5,2024-02-29,"
        'a/l.nii.gz,"1=heart,2=pulmonary_artery",resident,1,\n'
    )
    (row,) = table.rows
    assert row.line == 2
    assert (row.path, row.patient, row.batch, row.case) == ("a/b.nii.gz", "P 1", "first", "c-1")
    assert row.tasks == ("segmentation", "classification")
    assert row.acquisition == Acquisition(
        site="north", manufacturer="ACME", model="R1", kernel="B30", kvp=120, slice_thickness_mm=1.5,
        acquired_at="2024-02-29",
    )  # fmt: skip
    assert row.phases == (0, 12.5)
    assert dict(row.label_values) == {1: "heart", 2: "pulmonary_artery"}
    assert row.labelled_by == "resident"
    assert dict(row.findings) == {"emphysema": 1, "lung_nodule": None}
    assert table.has_batches
    assert "P 1" not in repr(table)
    assert "c-1" not in repr(table)


def test_the_voxels_of_a_file_and_the_patient_can_be_stated():
    one, two, three = parse(
        "path,rescale_slope,rescale_intercept,spacing_mm,orientation,sex,age\n"
        "a.nii,1.5,-8192,1.5 0.7 0.8,LPI,F,34\nb.nii,,,1.5;0.7;0.8,,M,97.5\nc.nii,,,,,,\n"
    ).rows
    assert one.stated == StatedVoxels(
        rescale_slope=1.5, rescale_intercept=-8192.0, spacing_mm=(1.5, 0.7, 0.8), orientation="LPI"
    )
    assert (one.acquisition.sex, one.acquisition.age_years) == ("F", 34.0)
    assert two.stated == StatedVoxels(spacing_mm=(1.5, 0.7, 0.8))
    assert two.acquisition.age_years == 90.0
    assert three.stated.is_empty
    assert three.acquisition == Acquisition()


def test_only_path_is_needed_and_a_byte_order_mark_does_no_harm():
    table = parse("\ufeffpath\nx.nii\ny\n")
    assert [row.path for row in table.rows] == ["x.nii", "y"]
    assert not table.has_batches
    assert table.rows[0].concerns("segmentation")
    assert table.batches("segmentation") == ("",)


def test_tasks_and_batches_divide_the_rows():
    table = parse(
        "path,task,batch\na,segmentation,one\nb,classification,two\nc,,one\nd,none,zero\ne,segmentation,two\n"
    )
    assert [r.path for r in table.rows if r.concerns("segmentation")] == ["a", "c", "e"]
    assert [r.path for r in table.rows if r.concerns("segmentation", "one")] == ["a", "c"]
    assert table.batches("classification") == ("two", "one")


WRONG = [
    ("", "the column path"),
    ("file\nx\n", "the column path"),
    ("path,patinet\nx,1\n", r"'patinet', try 'patient'"),
    ("path,lung_nodul\nx,1\n", r"'lung_nodul', try 'lung_nodule'"),
    ("path,path\nx,y\n", "each column once"),
    ("path\n/etc/x\n", r"row 2, column 'path'"),
    ("path\na\n../x\n", r"row 3, column 'path'"),
    ("path,kvp\nx,\ny,high\n", r"row 3, column 'kvp'.*'high'"),
    ("path,kvp\nx,-1\n", "kvp"),
    ("path,kvp\nx,nan\n", "kvp"),
    ("path,acquired_at\nx,1.2.2024\n", "YYYY-MM-DD"),
    ("path,acquired_at\nx,2024-02-31\n", "YYYY-MM-DD"),
    ("path,task\nx,segmentatoin\n", r"row 2, column 'task'.*'segmentatoin'"),
    ("path,labels\nx,x\n", "a label map .*the path of row 2"),
    ('path,patient\nx,"p\ny,q\n', "unexpected end of data"),
    (f"path,patient\nx,{'p' * 200_000}\n", "field larger"),
    ("path,phase\nx,100\n", "percentages"),
    ("path,phase\nx,10;10\n", "percentages"),
    ("path,batch\nx,\n", r"row 2, column 'batch'"),
    ("path,case\nx,P 1/c\n", "a case name"),
    ("path,case\nx,a__phase-010\n", "case"),
    ("path,lung_nodule\nx,yes\n", r"0, 1 or nothing \(row 2, column 'lung_nodule'\), got 'yes'"),
    ("path,label_values\nx,1=a;1=b\n", "label_values"),
    ("path,label_values\nx,heart\n", "label_values"),
    ("path,label_values\nx,256=a\n", "label_values"),
    (f"path,labelled_by\nx,{'x' * 81}\n", "a role in at most 80 letters"),
    ("path,kvp\nx,1,2\n", "2 cells"),
    ("path,kvp\nx\n", "2 cells"),
    ("path\nx\nx\n", "the path of row 2 again"),
    ("path,rescale_slope,rescale_intercept\nx,0,1\n", r"other than 0.*row 2, column 'rescale_slope'"),
    ("path,rescale_slope,rescale_intercept\nx,inf,1\n", "rescale_slope"),
    ("path,rescale_slope,rescale_intercept\nx,1,nan\n", "rescale_intercept"),
    ("path,rescale_slope,rescale_intercept\nx,1,\n", "slope and intercept, or neither"),
    ("path,rescale_intercept\nx,-1024\n", "slope and intercept, or neither"),
    ("path,spacing_mm\nx,1 1\n", r"z y x.*row 2, column 'spacing_mm'"),
    ("path,spacing_mm\nx,1 1 0\n", "spacing_mm"),
    ("path,spacing_mm\nx,1 1 -1\n", "spacing_mm"),
    ("path,spacing_mm\nx,1 1 nan\n", "spacing_mm"),
    ("path,spacing_mm\nx,1 1 inf\n", "spacing_mm"),
    ("path,spacing_mm\nx,1 1 800\n", "spacing_mm"),
    ("path,orientation\nx,LPL\n", "orientation"),
    ("path,orientation\nx,lps\n", "orientation"),
    ("path,sex\nx,female\n", "sex"),
    ("path,age\nx,034Y\n", "age"),
    ("path,age\nx,-1\n", "age"),
    ("path,age\nx,nan\n", "age"),
    ("path,case,patient\nx,c,1\ny,c,2\n", r"row 3, column 'patient'"),
    ("path,case,lung_nodule\nx,c,1\ny,c,0\n", r"row 3, column 'lung_nodule'|column 'findings'"),
]


@pytest.mark.parametrize(("text", "words"), WRONG, ids=[str(i) for i in range(len(WRONG))])
def test_an_error_names_row_and_column(text, words):
    with pytest.raises(InputError, match=words):
        parse(text)


def test_one_file_may_have_a_row_per_task():
    parse("path,task\nx,segmentation\nx,classification\n")
    with pytest.raises(InputError, match="once per task"):
        parse("path,task\nx,segmentation\nx,classification;segmentation\n")


def test_the_table_overrules_the_file():
    read = Acquisition(kernel="B30", kvp=100.0, manufacturer="ACME")
    assert merged(read, Acquisition(site="north", kernel="B70")) == Acquisition(
        site="north", kernel="B70", kvp=100.0, manufacturer="ACME"
    )

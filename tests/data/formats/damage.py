"""Read a dataset whose files are damaged; for the tests with `fuzz`."""

from maskwright.data.dataset import open_as_is


def make_reader(root, path, *, form):
    """A function that writes bytes to `path` and reads all labels of the dataset in `root`."""

    def read(damaged):
        path.write_bytes(damaged)
        dataset = open_as_is(root, form=form)
        for index in range(len(dataset)):
            dataset.labels(index)

    return read

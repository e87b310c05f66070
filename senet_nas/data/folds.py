"""The images as the training of one fold sees them: it validates on that fold and trains on all others."""

from dataclasses import replace

import torch

from senet_nas.data.load import Data


def of_fold(data: Data, fold: int) -> Data:
    """The data whose validation set is a fold; the first one is the validation set that the data have.

    Mean and deviation stay those of the first fold's training images, so that all networks normalise alike.
    """
    if fold == 0:
        return data
    begin = sum(data.folds[1:fold])
    end = begin + data.folds[fold]
    return replace(
        data,
        x_train=torch.cat([data.x_train[:begin], data.x_train[end:], data.x_val]),
        y_train=torch.cat([data.y_train[:begin], data.y_train[end:], data.y_val]),
        x_val=data.x_train[begin:end],
        y_val=data.y_train[begin:end],
    )

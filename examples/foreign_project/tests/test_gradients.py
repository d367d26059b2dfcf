"""Every gradient of the project, one line each."""

import gradcheck

from tinynet import layers, losses

test_dense = gradcheck.vjp_test(layers.dense, layers.dense_backward, x="n d", w="d k", b="k")
test_relu = gradcheck.vjp_test(layers.relu, layers.relu_backward, x="n d")
test_softmax = gradcheck.vjp_test(layers.softmax, layers.softmax_backward, x="n k")
test_layer_norm = gradcheck.vjp_test(
    layers.layer_norm, layers.layer_norm_backward, x="n d", gain="d"
)
test_scale_rows = gradcheck.vjp_test(layers.scale_rows, layers.scale_rows_backward, x="n d", s="n")
test_squared_error = gradcheck.vjp_test(
    losses.squared_error, losses.squared_error_backward, predicted="n k", target="n k"
)

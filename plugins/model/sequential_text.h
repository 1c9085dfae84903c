/* SPDX-License-Identifier: Apache-2.0 */
/* The layers of `sequential` as its description has them: a record each. */
#ifndef PLUGINS_MODEL_SEQUENTIAL_TEXT_H
#define PLUGINS_MODEL_SEQUENTIAL_TEXT_H

#include <runner/model.h>

/* clang-format off */
#define LAYER(name, doc)                                                               \
    RN_RECORD(name " | " doc)                                                          \
    RN_OPTION("name string | scope of its parameters, output of the model, word for "  \
              "`from` and `input`; default: type and place, dense3")                   \
    RN_OPTION("input string | the earlier layer to read, x for the model's input; "    \
              "default: the one before")
#define PLAIN(name, doc) LAYER(name, doc) RN_END

#define BIAS RN_OPTION("bias bool = true | add a bias, zeros at first")
#define INIT RN_OPTION("init string = he | init of the weight, where `init:` of the "  \
                       "experiment has no rule")
#define TABLE_INIT RN_OPTION("init string = normal | init of the table, where `init:` " \
                             "of the experiment has no rule")
#define LINEAR_INIT RN_OPTION("init string = xavier | init of the weights, where "     \
                              "`init:` of the experiment has no rule")
#define HEADS                                                                          \
    RN_OPTION("heads int ; required ; min 1 | parts of the channels, each with "       \
              "scores of its own; divides C")                                          \
    RN_OPTION("causal bool = false | a position sees itself and those before it")
#define KERNEL RN_OPTION("kernel list(int) = 3 ; min 1 ; unit pixels | one number, or " \
                         "[height, width]")
#define PAD RN_OPTION("pad list(int) = 0 ; min 0 ; unit pixels | around the image: one " \
                      "number, [height, width], or [top, left, bottom, right]")
#define STRIDE RN_OPTION("stride list(int) = 1 ; min 1 ; unit pixels | step of the "   \
                         "window: one number, or [height, width]")
#define DILATION RN_OPTION("dilation list(int) = 1 ; min 1 ; unit pixels | distance "  \
                           "between taps: one number, or [height, width]")
#define SAME RN_OPTION("padding choice(none,same) = none | same: pad so that stride 1 " \
                       "keeps the size, the odd pixel below and right; in place of `pad`")
#define POOL                                                                           \
    KERNEL PAD                                                                         \
    RN_OPTION("stride list(int) ; min 1 ; unit pixels | step of the window; default: " \
              "the kernel")
#define EPS RN_OPTION("eps float = 1e-5 ; above 0 | added to the variance")
#define AXIS(doc) RN_OPTION("axis int = -1 | " doc "; 0 is the batch, -1 the last")
#define FROM RN_OPTION("from list(string) ; required | names of earlier layers; x is " \
                       "the model's input")

#define LAYERS_WEIGHTED                                                                \
    LAYER("dense", "linear layer: [...,I] -> [...,units], x w^T + bias, weight "       \
                   "[units,I]")                                                        \
        RN_OPTION("units int ; required ; min 1 | outputs") BIAS INIT RN_END           \
    LAYER("conv2d", "convolution: [N,C,H,W] -> [N,channels,H',W'], H' = floor((H + "   \
                    "pads - dilation (kernel - 1) - 1)/stride) + 1, weight "           \
                    "[channels,C/groups,kernel]")                                      \
        RN_OPTION("channels int ; required ; min 1 | output channels")                 \
        KERNEL PAD SAME STRIDE DILATION                                                \
        RN_OPTION("groups int = 1 ; min 1 | groups of channels that see only "         \
                  "themselves; divides both numbers of channels")                      \
        BIAS INIT RN_END                                                               \
    LAYER("depthwise_conv2d", "convolution of each channel by itself: [N,C,H,W] -> "   \
                              "[N,C multiplier,H',W']")                                \
        RN_OPTION("multiplier int = 1 ; min 1 | output channels for each channel")     \
        KERNEL PAD SAME STRIDE DILATION BIAS INIT RN_END                               \
    LAYER("conv_transpose2d", "transpose of a convolution: [N,C,H,W] -> "              \
                              "[N,channels,H',W'], H' = (H - 1) stride - pads + "      \
                              "dilation (kernel - 1) + output_pad + 1, weight "        \
                              "[C,channels/groups,kernel]")                            \
        RN_OPTION("channels int ; required ; min 1 | output channels")                 \
        KERNEL PAD STRIDE DILATION                                                     \
        RN_OPTION("output_pad list(int) = 0 ; min 0 ; unit pixels | more rows and "    \
                  "columns at the end: one number, or [height, width]")                \
        RN_OPTION("groups int = 1 ; min 1 | groups of channels that see only "         \
                  "themselves")                                                        \
        BIAS INIT RN_END                                                               \
    LAYER("embedding", "rows of a table by index: int [...] -> [...,units], table "    \
                       "[size,units] of normal numbers at first")                      \
        RN_OPTION("size int ; required ; min 1 | rows: indices 0 to size-1, others "   \
                  "give NaN")                                                          \
        RN_OPTION("units int ; required ; min 1 | columns") TABLE_INIT RN_END          \
    LAYER("position_embedding", "[N,T,C] plus a table [length,C] of numbers that are " \
                                "trained, row by position, normal at first")           \
        RN_OPTION("length int ; min 1 | rows of the table, as many as positions or "   \
                  "more; default: T") TABLE_INIT RN_END                                \
    LAYER("attention", "multi-head attention (Vaswani et al. 2017, section 3.2.2): "   \
                       "[N,T,C] -> [N,T,C] by linear layers query, key, value and "    \
                       "out; scores are never in memory all at once")                  \
        HEADS                                                                          \
        RN_OPTION("context string | the earlier layer [N,S,D] that keys and values "   \
                  "come from; default: the input itself")                              \
        BIAS LINEAR_INIT RN_END                                                        \
    LAYER("transformer_block", "attention and two linear layers, each behind a layer " \
                               "norm and added to its input (pre-norm: Xiong et al. "  \
                               "2020): [N,T,C] -> [N,T,C]")                            \
        HEADS                                                                          \
        RN_OPTION("hidden int ; min 1 | units between the linear layers; default: 4 C")\
        RN_OPTION("activation choice(gelu,relu,silu,tanh) = gelu | between them")      \
        RN_OPTION("dropout float = 0 ; min 0 ; below 1 | share dropped of what is "    \
                  "added, in training")                                                \
        EPS BIAS LINEAR_INIT RN_END

#define RECURRENT                                                                      \
    RN_OPTION("units int ; required ; min 1 | size of the state")                      \
    RN_OPTION("layers int = 1 ; min 1 | layers, each reading the sequence of the one " \
              "before")                                                                \
    RN_OPTION("bidirectional bool = false | a second direction, from a row's last "    \
              "step to its first; outputs of both side by side: 2 units")              \
    RN_OPTION("return choice(sequence,last) = sequence | the outputs of all steps "    \
              "[N,T,units], or the last state [N,units]")                              \
    RN_OPTION("bias bool = true | add biases, zeros at first") LINEAR_INIT

#define LAYERS_RECURRENT                                                               \
    LAYER("lstm", "long short-term memory (Hochreiter & Schmidhuber 1997; Gers et "    \
                  "al. 2000): [N,T,C] -> [N,T,units]; parameters as PyTorch's "        \
                  "nn.LSTM; a row with a length stops there and gives 0 behind it")    \
        RECURRENT RN_END                                                               \
    LAYER("gru", "gated recurrent unit (Cho et al. 2014, the reset gate behind the "   \
                 "product): [N,T,C] -> [N,T,units]; parameters as PyTorch's nn.GRU")   \
        RECURRENT RN_END

#define LAYERS_NORM                                                                    \
    LAYER("batch_norm", "batch normalisation of each channel, axis 1 (Ioffe & Szegedy " \
                        "2015, algorithm 1); in evaluation by the running statistics")  \
        EPS RN_OPTION("momentum float = 0.1 ; above 0 ; max 1 | share of the batch in " \
                      "the running statistics, as PyTorch counts; their variance is "  \
                      "the unbiased one") RN_END                                       \
    LAYER("layer_norm", "layer normalisation over the axes from `axis` on (Ba et al. " \
                        "2016, eq. 4)")                                                \
        EPS AXIS("the first of the axes") RN_END                                       \
    LAYER("rms_norm", "division by the root mean square over the last axis (Zhang & "  \
                      "Sennrich 2019, eq. 4)") EPS RN_END                              \
    LAYER("group_norm", "normalisation over groups of channels, axis 1 (Wu & He 2018, " \
                        "eq. 7)")                                                      \
        EPS RN_OPTION("groups int = 1 ; min 1 | divides the channels; as many as "     \
                      "channels: instance normalisation") RN_END

#define LAYERS_POOL                                                                    \
    LAYER("max_pool2d", "largest of each window") POOL RN_END                          \
    LAYER("avg_pool2d", "mean of each window") POOL                                    \
        RN_OPTION("count_pad bool = false | count the padding in the mean, as PyTorch " \
                  "does by default") RN_END                                 \
    PLAIN("global_avg_pool2d", "[N,C,H,W] -> [N,C], mean over height and width")       \
    PLAIN("global_max_pool2d", "[N,C,H,W] -> [N,C], largest over height and width")    \
    LAYER("resize2d", "images of another size: by a factor, or `size`")                \
        RN_OPTION("scale int = 2 ; min 1 | factor of height and width")                \
        RN_OPTION("size list(int) ; min 1 ; unit pixels | one number, or [height, "    \
                  "width], in place of `scale`")                                       \
        RN_OPTION("mode choice(nearest,bilinear) = nearest | nearest: pixel "          \
                  "floor(i H/H'); bilinear: half-pixel centres, edges clamped") RN_END \
    LAYER("pad2d", "[N,C,H,W] with a border") PAD                                      \
        RN_OPTION("value float = 0 | of the border") RN_END

#define LAYERS_FUNCTION                                                                \
    LAYER("dropout", "in training: elements put to 0 with probability p, others times " \
                     "1/(1-p) (Srivastava et al. 2014); in evaluation: nothing")       \
        RN_OPTION("p float = 0.5 ; min 0 ; below 1 | share dropped") RN_END            \
    PLAIN("relu", "max(x, 0)")                                                         \
    PLAIN("relu6", "min(max(x, 0), 6)")                                                \
    LAYER("leaky_relu", "x above 0, else alpha x")                                     \
        RN_OPTION("alpha float = 0.01 | slope below 0") RN_END                         \
    LAYER("prelu", "x above 0, else a x with a slope a for each channel (axis 1) that " \
                   "is trained (He et al. 2015, eq. 1)")                               \
        RN_OPTION("alpha float = 0.25 | first slope") RN_END                           \
    LAYER("elu", "x above 0, else alpha (exp(x) - 1) (Clevert et al. 2016, eq. 15)")   \
        RN_OPTION("alpha float = 1 | limit below 0, negated") RN_END                   \
    PLAIN("selu", "self-normalising ELU (Klambauer et al. 2017, eq. 2)")               \
    LAYER("gelu", "x Phi(x), Phi of the standard normal (Hendrycks & Gimpel 2016)")    \
        RN_OPTION("tanh bool = false | its approximation by tanh") RN_END              \
    PLAIN("silu", "x sigmoid(x) (swish)")                                              \
    PLAIN("mish", "x tanh(softplus(x)) (Misra 2019)")                                  \
    PLAIN("tanh", "tanh(x)")                                                           \
    PLAIN("sigmoid", "1/(1 + exp(-x))")                                                \
    PLAIN("hard_sigmoid", "x/6 + 1/2 within 0..1")                                     \
    PLAIN("hard_swish", "x hard_sigmoid(x) (Howard et al. 2019)")                      \
    PLAIN("softplus", "log(1 + exp(x))")                                               \
    LAYER("softmax", "exp(x)/sum exp(x) along an axis")                                \
        AXIS("the axis") RN_END                                                        \
    LAYER("log_softmax", "log of softmax along an axis") AXIS("the axis") RN_END       \
    PLAIN("abs", "|x|")                                                                \
    PLAIN("exp", "exp(x)")                                                             \
    PLAIN("log", "log(x)")                                                             \
    PLAIN("sqrt", "square root")                                                       \
    PLAIN("square", "x^2")                                                             \
    PLAIN("neg", "-x")                                                                 \
    PLAIN("sin", "sin(x)")                                                             \
    PLAIN("cos", "cos(x)")                                                             \
    LAYER("clamp", "min(max(x, low), high)")                                           \
        RN_OPTION("low float = 0 | lower end")                                         \
        RN_OPTION("high float = 1 | upper end, not below low") RN_END                  \
    LAYER("affine", "x factor + shift, fixed numbers")                                 \
        RN_OPTION("factor float = 1 | factor")                                         \
        RN_OPTION("shift float = 0 | added") RN_END                                    \
    PLAIN("stop_gradient", "x, whose gradient is 0")                                   \
    PLAIN("identity", "x, under a name")

#define LAYERS_SHAPE                                                                   \
    PLAIN("flatten", "[N,...] -> [N,K]")                                               \
    LAYER("reshape", "another shape for each sample, elements in the same order")      \
        RN_OPTION("shape list(int) ; required ; min -1 | without the batch; one -1 is " \
                  "inferred") RN_END                                                   \
    LAYER("transpose", "axes of a sample in another order")                            \
        RN_OPTION("order list(int) ; required ; min 1 | the present number of each new " \
                  "axis, the batch left out: [2, 3, 1] makes [N,H,W,C] of [N,C,H,W]")  \
        RN_END                                                                         \
    LAYER("slice", "part of an axis: start, start + step, ... below stop")             \
        RN_OPTION("axis int = 1 | the axis; 0 is the batch, -1 the last")              \
        RN_OPTION("start int = 0 | first; below 0: from the end")                      \
        RN_OPTION("stop int | behind the last; below 0: from the end; default: the end") \
        RN_OPTION("step int = 1 ; min 1 | distance") RN_END                            \
    LAYER("reduce", "mean, sum, largest or smallest over axes")                        \
        RN_OPTION("op choice(mean,sum,max,min) = mean | what is kept of them")         \
        RN_OPTION("axes list(int) ; required | e.g. 1 or [2, 3]; -1 is the last; not " \
                  "the batch, 0")                                                      \
        RN_OPTION("keep bool = false | leave the axes in place, with size 1") RN_END   \
    LAYER("cumsum", "running sum along an axis") AXIS("the axis") RN_END               \
    LAYER("one_hot", "int [...] -> float [...,classes]: 1 at the index, else 0")       \
        RN_OPTION("classes int ; required ; min 1 | numbers for each index") RN_END

#define LAYERS_JOIN                                                                    \
    LAYER("add", "sum of the layer before and those of `from`, broadcasting") FROM     \
        RN_END                                                                         \
    LAYER("sub", "the layer before less those of `from`, broadcasting") FROM RN_END    \
    LAYER("mul", "product of the layer before and those of `from`, broadcasting") FROM \
        RN_END                                                                         \
    LAYER("maximum", "largest of the layer before and those of `from`, broadcasting")  \
        FROM RN_END                                                                    \
    LAYER("concat", "the layer before and those of `from` side by side") FROM          \
        RN_OPTION("axis int = 1 | their axis; -1 the last") RN_END  \
    LAYER("matmul", "[...,M,K] x [...,K,L] -> [...,M,L], the layer before times that " \
                    "of `from`") FROM                                                  \
        RN_OPTION("transpose bool = false | the second one is [...,L,K]") RN_END       \
    LAYER("noise", "normal random numbers [N,size], others each step, instead of the " \
                   "input")                                                            \
        RN_OPTION("size int ; required ; min 1 | numbers in a row") RN_END

#define LAYERS_UNION                                                                   \
    RN_UNION("layer = "                                                                \
             "dense conv2d depthwise_conv2d conv_transpose2d embedding "               \
             "position_embedding attention transformer_block lstm gru "                \
             "batch_norm layer_norm rms_norm group_norm "                              \
             "max_pool2d avg_pool2d global_avg_pool2d global_max_pool2d resize2d "     \
             "pad2d dropout relu relu6 leaky_relu prelu elu selu gelu silu mish tanh " \
             "sigmoid hard_sigmoid hard_swish softplus softmax log_softmax abs exp "   \
             "log sqrt square neg sin cos clamp affine stop_gradient identity "        \
             "flatten reshape transpose slice reduce cumsum one_hot "                  \
             "add sub mul maximum concat matmul noise")
/* clang-format on */

#endif

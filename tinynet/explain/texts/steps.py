"""The sentences that each step of a convolution is told in: (English, Chinese) by key."""

STEPS: dict[str, tuple[str, str]] = {
    "start": ("The accumulator starts with what the windows and samples not shown contribute.",
              "累加器从此处未显示的窗口和样本的贡献开始。"),
    # -- forward -----------------------------------------------------------------------------------
    "forward.window": ("Window ({i},{j}) reads {rows}, {cols}.",
                       "窗口 ({i},{j}) 读取{rows}、{cols}。"),
    "forward.sum": ("{expr} = {sum}.", "{expr} = {sum}。"),
    "forward.channel": ("In input channel {c}: {expr} = {sum}.", "输入通道 {c}：{expr} = {sum}。"),
    "forward.channels": ("Over the {count} channels: {expr} = {sum}.",
                         "{count} 个通道之和：{expr} = {sum}。"),
    "forward.bias": ("Plus the bias {b}: {y}.", "加上偏置 {b}：{y}。"),
    "forward.rule": ("Multiply and add; the kernel isn't turned.", "相乘再相加；卷积核不旋转。"),
    "forward.rule_one": ("A kernel of one tap has nothing to add up: y is x times the weight.",
                         "卷积核只有一个权重位置，没有什么要相加：y 就是 x 乘以权重。"),
    "forward.rule_channels": ("A kernel of one tap adds up channels, not neighbours.",
                              "1 × 1 的卷积核只把各通道相加，不看相邻的格子。"),
    # -- matrix ------------------------------------------------------------------------------------
    "matrix.column": ("Column {p} of cols is window ({i},{j}), laid out as {count} numbers.",
                      "cols 的第 {p} 列就是窗口 ({i},{j})，摊成 {count} 个数。"),
    "matrix.column_one": ("Column {p} of cols is window ({i},{j}), which is a single number.",
                          "cols 的第 {p} 列就是窗口 ({i},{j})，只有一个数。"),
    "matrix.product": ("Weight row {o} times this column = {sum}.",
                       "权重的第 {o} 行乘以这一列 = {sum}。"),
    "matrix.rule": ("cols repeats a cell once for every window that reads it: the {cells} cells "
                    "that are read become {entries} entries.",
                    "一个格子被几个窗口读取，就在 cols 里重复几次："
                    "被读到的 {cells} 个格子变成 {entries} 个元素。"),
    "matrix.rule_once": ("No two windows share a cell, so no cell stands in cols twice.",
                         "没有两个窗口共用格子，所以 cols 里没有重复的格子。"),
    # -- dW ----------------------------------------------------------------------------------------
    "dw.window": ("G[{i},{j}] = {g} multiplies what window ({i},{j}) read: "
                  "dW += {g}·{name}[{rows}, {cols}].",
                  "G[{i},{j}] = {g} 乘以窗口 ({i},{j}) 看到的内容："
                  "dW += {g}·{name}[{rows}, {cols}]。"),
    "dw.tap": ("Tap ({kh},{kw}) read {x}: {before} → {after}, contribution {k} of {n}.",
               "权重位置 ({kh},{kw}) 看到 {x}：{before} → {after}，第 {k} 个贡献，共 {n} 个。"),
    "dw.rule": ("Every window uses every tap, so dW sums over all windows and samples; the kernel "
                "isn't turned here either.",
                "每个窗口都用到每个权重位置，所以对所有窗口和样本求和；这里卷积核同样不旋转。"),
    "dw.rule_one": ("There is only one window, so this is all of dW.",
                    "只有一个窗口，这就是 dW 的全部。"),
    # -- dW, tap by tap ----------------------------------------------------------------------------
    "dwg.place": ("Lay G on x so that G[0,0] lies on cell ({r},{q}). Under G are the cells that "
                  "tap ({kh},{kw}) read, one per window.",
                  "把 G 放到 x 上，使 G[0,0] 压住格子 ({r},{q})。"
                  "G 下面就是权重位置 ({kh},{kw}) 读过的格子，每个窗口一个。"),
    "dwg.sum": ("G·x: {expr} = {sum}.", "G·x：{expr} = {sum}。"),
    "dwg.others": ("The other samples and windows contribute {rest}, so dW = {sum}.",
                   "其余样本和窗口贡献 {rest}，所以 dW = {sum}。"),
    "dwg.rule": ("So dW is the correlation of x with G as the kernel, and G isn't turned.",
                 "所以 dW 是以 G 为核对 x 做的互相关，G 不旋转。"),
    "dwg.stride": ("With stride {s} the cells of G lie {s} apart: the stride becomes a dilation.",
                   "步幅为 {s}，G 的相邻格子就隔开 {s} 格：步幅变成了空洞。"),
    "dwg.dilation": ("From tap to tap G moves {d} cells: the dilation becomes a stride.",
                     "权重位置每移动一格，G 就移动 {d} 格：空洞变成了步幅。"),
    # -- dX, window by window ----------------------------------------------------------------------
    "dx.window": ("G[{i},{j}] = {g} travels back through the {taps} taps: "
                  "{name}[{rows},{cols}] += {g}·w.",
                  "G[{i},{j}] = {g} 沿 {taps} 个权重位置返回：{name}[{rows},{cols}] += {g}·w。"),
    "dx.window_one": ("G[{i},{j}] = {g} travels back through the only tap: "
                      "{name}[{rows},{cols}] += {g}·w.",
                      "G[{i},{j}] = {g} 沿唯一的权重位置返回：{name}[{rows},{cols}] += {g}·w。"),
    "dx.windows": ("At ({i},{j}) G has one number per output channel, and each travels back "
                   "through its own kernel: {name}[{rows},{cols}] += {expr}.",
                   "在 ({i},{j}) 处，每个输出通道各有一个 G，各自沿自己的卷积核返回："
                   "{name}[{rows},{cols}] += {expr}。"),
    "dx.cell": ("Cell ({r},{q}): {before} → {after}, contribution {k} of {n}.",
                "格子 ({r},{q})：{before} → {after}，第 {k} 个贡献，共 {n} 个。"),
    "dx.assigned": ("Cell ({r},{q}): {before} is overwritten by {after}. The contributions before "
                    "are lost, so dX comes out wrong.",
                    "格子 ({r},{q})：{before} 被 {after} 覆盖。之前的贡献都丢了，dX 因此是错的。"),
    "dx.overlap": ("Windows overlap, so we add; assigning would keep only the last.",
                   "窗口有重叠，所以要累加；若用赋值则只剩最后一个。"),
    "dx.alone": ("This window shares no cell with another one, so each of its cells gets a single "
                 "contribution.",
                 "这个窗口与其他窗口没有共用的格子，它的每个格子只得到一个贡献。"),
    "dx.apart": ("These windows do not overlap, so each cell gets at most one contribution.",
                 "这些窗口互不重叠，每个格子至多得到一个贡献。"),
    "dx.crop": ("Last, the padding is cut off: dX = dXpad[{rows}, {cols}]. Padding is a constant, "
                "so its gradient is not needed.",
                "最后裁掉填充：dX = dXpad[{rows}, {cols}]。填充是常数，不需要它的梯度。"),
    "dx.give_back": ("Last, the border is folded back: each padding cell is a copy of a pixel "
                     "({mode}), so its gradient is added to that pixel.",
                     "最后把边界折回：每个填充格是某个像素的副本（{mode}），"
                     "它的梯度要加回那个像素。"),
    # -- dX, cell by cell --------------------------------------------------------------------------
    "gather.which": ("Which windows read cell ({r},{q})? {list}.",
                     "哪些窗口读过格子 ({r},{q})？{list}。"),
    "gather.pair": ("({i},{j}) through tap ({kh},{kw})", "窗口 ({i},{j}) 经权重位置 ({kh},{kw})"),
    "gather.sum": ("G·w: {expr} = {sum}.", "G·w：{expr} = {sum}。"),
    "gather.turn": ("As the window moves right the tap moves left: a full correlation of G with "
                    "the kernel turned 180°.",
                    "窗口右移，权重位置就左移：这正是 G 与旋转 180° 的卷积核的全相关。"),
    "gather.turn_one": ("A kernel of one tap has nothing to turn: dX is G times the weight.",
                        "只有一个权重位置，没有什么可旋转：dX 就是 G 乘以权重。"),
    "gather.hidden": ("Windows that are not shown contribute {rest}, so dX = {sum}.",
                      "未显示的窗口贡献 {rest}，所以 dX = {sum}。"),
    "gather.stride": ("With stride {s} a window starts only every {s} cells, hence the zeros "
                      "between the G cells.",
                      "步幅为 {s} 时，每隔 {s} 格才开始一个窗口，所以 G 的格子之间插入了零。"),
    "gather.none": ("Which windows read cell ({r},{q})? None, so its gradient is 0.",
                    "哪些窗口读过格子 ({r},{q})？没有，所以它的梯度为 0。"),
    # -- db ----------------------------------------------------------------------------------------
    "db.add": ("G[{i},{j}] = {g}: db goes {before} → {after}, contribution {k} of {n}.",
               "G[{i},{j}] = {g}：db 由 {before} → {after}，第 {k} 个贡献，共 {n} 个。"),
    "db.rule": ("The bias was added to every output cell with factor 1, so db is the sum of G, not "
                "its mean.",
                "偏置以系数 1 加到每个输出格，所以 db 是 G 的总和，而不是平均。"),
    # -- borders -----------------------------------------------------------------------------------
    "borders.coverage": (
        "Windows that read cell ({r},{q}): {low}; cell ({r2},{q2}): {high}. With all weights and "
        "all G equal to 1, dX would be exactly these counts.",
        "格子 ({r},{q}) 被 {low} 个窗口读取，格子 ({r2},{q2}) 被 {high} 个读取："
        "若权重与 G 全为 1，dX 恰好就是这些次数。"),
    "borders.even": ("Every cell is read by the same number of windows ({low}), so no cell has "
                     "more influence than another.",
                     "每个格子都被 {low} 个窗口读取，所以各个格子的影响一样大。"),
    "borders.pad_helps": ("With padding, windows extend over the edge, so border pixels are read "
                          "more often than without it.",
                          "填充让窗口伸出边缘，边上的像素因此被读得更多。"),
    "borders.no_pad": ("Without padding, border pixels are read less often; the padding mode makes "
                       "no difference.",
                       "没有填充时，边上的像素被读得少；没有填充，四种填充方式也就没有区别。"),
    "borders.pad_idle": ("A window of this size never reaches over an edge: the padding only adds "
                         "outputs that read nothing but padding.",
                         "这样大小的窗口不会伸出边缘：填充只是多出一些只读填充的输出。"),
    "borders.no_pad_even": ("There is no padding, so the padding mode makes no difference.",
                            "没有填充，四种填充方式也就没有区别。"),
    "borders.remainder": (
        "The window can move {span} cells, and stride {s} leaves a remainder of {left}: no window "
        "reads {what}. The gradient there is 0, and dX still has the shape of x.",
        "窗口可移动 {span} 格，除以步幅 {s} 余 {left}：{what}从未被读取。"
        "那里的梯度为 0，而 dX 的形状仍与 x 相同。"),
    "borders.remainder_pad": (
        "The window can move {span} cells, and stride {s} leaves a remainder of {left}: no window "
        "reads {what}. That is padding, so no pixel is left out.",
        "窗口可移动 {span} 格，除以步幅 {s} 余 {left}：{what}从未被读取。"
        "那里是填充，所以没有漏掉任何像素。"),
    "borders.drop": ("Padding cell ({r},{q}) received {value}. It is a constant 0, not a pixel, so "
                     "its gradient is dropped.",
                     "填充格 ({r},{q}) 收到 {value}。它是常数 0 而不是像素，所以这个梯度被丢弃。"),
    "borders.copy_hidden": (
        "Padding cell ({r},{q}) is a copy of a pixel that is not shown ({mode}); the {value} it "
        "received is added there.",
        "填充格 ({r},{q}) 是某个未显示像素的副本（{mode}）；它收到的 {value} 加到那里。"),
    "borders.copy": ("Padding cell ({r},{q}) is a copy of pixel ({r2},{q2}) ({mode}), so the "
                     "{value} it received is added there: {before} → {after}.",
                     "填充格 ({r},{q}) 是像素 ({r2},{q2}) 的副本（{mode}），"
                     "所以它收到的 {value} 加到那里：{before} → {after}。"),
}

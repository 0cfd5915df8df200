"""Every sentence and label of the explainer, English and Chinese side by side.

A text is a `str.format` template; the page fills the very same templates in the browser. Adding a language means
adding a column here and its name to `LANGUAGES`. Texts are plain text, except those whose key starts with
``formula.``: they are trusted HTML, made here and never from what the user hands in.
"""
from __future__ import annotations

LANGUAGES = {"en": "English", "zh": "中文"}

TEXTS: dict[str, tuple[str, str]] = {
    # -- frame ---------------------------------------------------------------------------------------------------
    "title": ("A convolution, forward and backward", "卷积：前向与反向"),
    "panels": ("Panels", "面板"),
    "modes": ("What to watch", "看什么"),
    "mode.forward": ("Forward", "前向"),
    "mode.matrix": ("Matrix product", "矩阵乘法"),
    "mode.dw": ("Weights: dW", "权重：dW"),
    "mode.dx": ("Input: dX by scatter", "输入：散布得 dX"),
    "mode.dx_gather": ("Input: dX by gather", "输入：收集得 dX"),
    "mode.db": ("Bias: db", "偏置：db"),
    "mode.borders": ("Borders", "边界"),
    "lead.forward": ("Each output cell is one window of the input, multiplied by the kernel and added up.",
                     "每个输出格是输入的一个窗口与卷积核逐格相乘再相加。"),
    "lead.matrix": ("Lay every window out as a column: the whole convolution is one matrix product.",
                    "把每个窗口摊成一列，整个卷积就是一次矩阵乘法。"),
    "lead.dw": ("Each weight is used by every window, so its gradient is a sum over all windows.",
                "每个权重被所有窗口使用，所以它的梯度是对所有窗口求和。"),
    "lead.dx": ("Each output gradient walks back through the taps it came from; where windows overlap, gradients add up.",
                "每个输出梯度沿它经过的权重原路返回；窗口重叠处，梯度累加。"),
    "lead.dx_gather": ("The same dX, asked from the other side: which windows read this cell? The kernel turns round.",
                       "同一个 dX，反过来问：哪些窗口读过这个格子？卷积核就此旋转 180°。"),
    "lead.db": ("The bias is added to every output cell, so its gradient is the plain sum of G.",
                "偏置加在每个输出格上，所以它的梯度就是 G 的总和。"),
    "lead.borders": ("Border cells are read less often; padding and an uneven stride decide where gradient ends up.",
                     "边上的格子被读得少；填充和除不尽的步幅决定梯度落在哪里。"),
    "step": ("Step {k} of {n}", "第 {k} 步，共 {n} 步"),
    "slider": ("Step", "步骤"),
    "first": ("First step", "第一步"), "back": ("Step back", "上一步"), "forth": ("Step forward", "下一步"),
    "last": ("Last step", "最后一步"), "play": ("Play", "播放"), "pause": ("Pause", "暂停"),
    "no_motion": ("Your system asks for less motion, so nothing plays by itself.", "系统要求减少动画，因此不自动播放。"),
    "help": ("Keys and signs", "按键与图例"), "close": ("Close", "关闭"),
    "theme": ("Light or dark", "浅色或深色"), "language": ("中文", "English"),
    "sample": ("Sample", "样本"), "out_channel": ("Output channel", "输出通道"), "in_channel": ("Input channel", "输入通道"),
    "page_rows": ("Rows {first}–{last} of {n}", "第 {first}–{last} 行，共 {n} 行"),
    "page_cols": ("Columns {first}–{last} of {n}", "第 {first}–{last} 列，共 {n} 列"),
    "row": ("row {i}", "第 {i} 行"), "rows": ("rows {i}", "第 {i} 行"),
    "col": ("column {i}", "第 {i} 列"), "cols": ("columns {i}", "第 {i} 列"),
    # -- header --------------------------------------------------------------------------------------------------
    "fact.size": ("Output size", "输出尺寸"),
    "fact.shapes": ("Shapes", "形状"),
    "fact.parameters": ("Parameters", "参数量"),
    "fact.multiplications": ("Multiplications", "乘法次数"),
    "fact.notes": ("Notes", "说明"),
    "note.remainder_rows": ("Remainder: {what} of the padded input is never read, so its gradient is 0.",
                            "有余数：填充后输入的{what}从未被读取，所以梯度为 0。"),
    "note.unread": ("{count} pixels are never read by any window (hatched); their gradient is 0.",
                    "有 {count} 个像素从未被任何窗口读取（斜线格），它们的梯度为 0。"),
    "note.crop": (("Shown: a part round output cell ({i},{j}): output rows {rows} of {oh}, columns {cols} of {ow}. "
                  "Accumulators start with what the other windows give."),
                  ("只显示输出格 ({i},{j}) 周围的一部分：输出行 {rows}（共 {oh} 行），列 {cols}（共 {ow} 列）。"
                  "累加器从其余窗口的贡献开始。")),
    "note.large_window": (("The kernel covers more than {cells} cells along an axis: the grids are shown in pages, and the steps that "
                          "go from cell to cell visit a part of {cells} × {cells}; what the others give is there from the start."),
                         ("卷积核在某个方向上覆盖超过 {cells} 格：网格分页显示，"
                          "逐格的步骤只走过 {cells} × {cells} 的一部分，其余部分的贡献一开始就已在其中。")),
    "note.tabs": ("Shown: {shown} of {all} ({what}).", "{what}：只显示全部 {all} 个中的 {shown} 个。"),
    "what.samples": ("samples", "样本"), "what.out_channels": ("output channels", "输出通道"),
    "what.in_channels": ("input channels of each group", "每组输入通道"),
    "note.groups": ("{groups} groups: output channels {outs} at a time see only their own {ins} input channel(s).",
                    "{groups} 个组：每 {outs} 个输出通道只看自己的 {ins} 个输入通道。"),
    "note.no_bias": ("No bias here; db is shown as what its gradient would be.", "此处没有偏置；db 显示的是若有偏置时的梯度。"),
    "note.ones": ("G, the gradient that arrives from above, is all ones: the loss is the sum of y.",
                  "上游梯度 G 全为 1：即损失为 y 的总和。"),
    "note.given": ("G is the gradient of the loss with respect to y, handed in from above.",
                   "G 是损失对 y 的梯度，由上游传入。"),
    # -- panels --------------------------------------------------------------------------------------------------
    "panel.x": ("Input x", "输入 x"), "panel.w": ("Kernel w", "卷积核 w"),
    "panel.w_turned": ("Kernel w, turned by 180°", "旋转 180° 的卷积核 w"),
    "panel.y": ("Output y", "输出 y"), "panel.g": ("Upstream gradient G", "上游梯度 G"),
    "panel.spread": ("G, with the zeros that stride and border insert", "插入步幅与边界之零的 G"),
    "panel.dw": ("Accumulator dW", "累加器 dW"), "panel.dx": ("Accumulator dX", "累加器 dX"),
    "panel.db": ("Accumulator db", "累加器 db"),
    "panel.coverage": ("How many windows read each cell", "每个格子被多少个窗口读取"),
    "panel.compare": ("dX under each padding mode (same G)", "各种填充方式下的 dX（同一个 G）"),
    "panel.cols": ("cols = unfold(x)", "cols = unfold(x)"), "panel.cols_t": ("colsᵀ", "colsᵀ"),
    "panel.w_row": ("weight row", "权重行"), "panel.w_col": ("Wᵀ", "Wᵀ"), "panel.g_row": ("G row", "G 行"),
    "panel.y_row": ("W · cols = y", "W · cols = y"), "panel.y_row_bias": ("W · cols + b = y", "W · cols + b = y"),
    "panel.dw_row": ("G · colsᵀ = dW", "G · colsᵀ = dW"),
    "panel.dcols": ("Wᵀ · G, to be folded into dX", "Wᵀ · G，随后折叠成 dX"),
    "panel.matrix": ("The same in matrix words", "用矩阵的话说"),
    "panel.matrix_share": ("Shown are the rows of input channel {c}; the other channels' rows enter the same product.",
                           "此处是输入通道 {c} 的行；其余通道的行也进入同一个乘积。"),
    "panel.matrix_sum": ("One kernel of {outs} is shown; Wᵀ · G sums over all of them.",
                         "只画出 {outs} 个卷积核中的一个；Wᵀ · G 对它们全部求和。"),
    "panel.check": ("Is it true? A numeric check", "真的吗？数值检验"),
    "check.text": ("Move one number by h = 2⁻¹⁰ both ways and see how far the loss ⟨y, G⟩ moves (float64).",
                   "把一个数上下各移动 h = 2⁻¹⁰，看损失 ⟨y, G⟩ 变化多少（float64）。"),
    "check.cell": ("cell", "格子"), "check.analytic": ("backward()", "backward()"),
    "check.numeric": ("central difference", "中心差分"), "check.error": ("error", "误差"),
    "check.worst": ("Largest error of all cells checked ({count}): {error}", "已检验的 {count} 个格子中最大误差：{error}"),
    "compare.none": ("not possible: this padding needs a larger input", "不可用：这种填充需要更大的输入"),
    "check.none": ("not checked (too large)", "未检验（规模过大）"),
    "mark.contributions": ("contributions {k} of {n}", "贡献 {k}/{n}"),
    "mark.pad": ("padding", "填充"), "mark.unread": ("never read", "从未读取"), "mark.cut": ("cut off", "被裁掉"),
    "mark.zero": ("inserted zero", "插入的零"), "mark.empty": ("not yet computed", "尚未计算"),
    "mark.gap": ("gap of the dilation", "空洞"), "mark.pinned": ("pinned", "已固定"),
    # -- help ----------------------------------------------------------------------------------------------------
    "key.modes": ("choose what to watch", "选择模式"), "key.step": ("one step back or forward", "后退或前进一步"),
    "key.ends": ("first or last step", "第一步或最后一步"), "key.space": ("play or pause", "播放或暂停"),
    "key.tab": ("to the next panel", "到下一个面板"), "key.arrows": ("inside a panel: from cell to cell", "面板内：在格子间移动"),
    "key.enter": ("pin the cell, its partners stay lit", "固定该格，相关格子保持高亮"),
    "key.esc": ("let go", "取消固定"), "key.help": ("this help", "本帮助"),
    "legend.focus": ("thick outline: the cell this step is about", "粗框：本步的主角"),
    "legend.lit": ("filled: cells that take part", "填色：参与计算的格子"),
    "legend.pad": ("dashed: padding", "虚线：填充"), "legend.unread": ("hatched: never read", "斜线：从未读取"),
    # -- formulas and code ---------------------------------------------------------------------------------------
    "formula.forward": (
        "<i>y</i>[o,i,j] = <i>b</i>[o] + Σ<sub>c,kh,kw</sub> <i>x</i>[c, i·s+kh·d−p, j·s+kw·d−p] · <i>w</i>[o,c,kh,kw]",
    ) * 2,
    "formula.matrix": ("<i>y</i> = <i>W</i> · cols &nbsp; (O × CK²) · (CK² × P)",) * 2,
    "formula.dw": (("d<i>W</i>[o,c,kh,kw] = Σ<sub>n,i,j</sub> <i>G</i>[o,i,j] · <i>x</i>[c, i·s+kh·d−p, j·s+kw·d−p]"
                   " &nbsp;=&nbsp; <i>G</i> · colsᵀ"),) * 2,
    "formula.dx": (("d<i>X</i> = fold(<i>W</i>ᵀ · <i>G</i>): &nbsp; d<i>X</i>[c, i·s+kh·d−p, j·s+kw·d−p]"
                   " += Σ<sub>o</sub> <i>w</i>[o,c,kh,kw] · <i>G</i>[o,i,j]"),) * 2,
    "formula.dx_gather": (("d<i>X</i>[c,r,q] = Σ<sub>o,kh,kw</sub> <i>w</i>[o,c,kh,kw] · <i>G</i>[o, (r+p−kh·d)/s, (q+p−kw·d)/s]"
                          " &nbsp;where that index exists"),
                          ("d<i>X</i>[c,r,q] = Σ<sub>o,kh,kw</sub> <i>w</i>[o,c,kh,kw] · <i>G</i>[o, (r+p−kh·d)/s, (q+p−kw·d)/s]"
                          " &nbsp;（仅当该下标存在）")),
    "formula.db": ("d<i>b</i>[o] = Σ<sub>n,i,j</sub> <i>G</i>[n,o,i,j]",) * 2,
    "formula.borders": ("d<i>X</i> = padᵀ(fold(<i>W</i>ᵀ · <i>G</i>)) &nbsp; the transpose of padding: crop, or add back",
                        "d<i>X</i> = padᵀ(fold(<i>W</i>ᵀ · <i>G</i>)) &nbsp; 填充的转置：裁掉，或加回原像素"),
    "code.matrix": ("y = w.reshape(O, -1) @ F.unfold(x, K, d, p, s)",) * 2,
    "code.dw": ("dW = (G @ cols.transpose(1, 2)).sum(0)            # cols = F.unfold(x, K, d, p, s)",) * 2,
    "code.dx": ("dX = F.fold(w.reshape(O, -1).T @ G, (H, W), K, d, p, s)",) * 2,
    "code.dx_gather": ("dX = F.conv_transpose2d(G, w, stride=s, padding=p, dilation=d)",) * 2,
    "code.db": ("db = G.sum((0, 2, 3))",) * 2,
    "code.borders": ("dX = dXpad[:, :, p:p + H, p:p + W]    # never [p:-p]: that is empty when p = 0",
                     "dX = dXpad[:, :, p:p + H, p:p + W]    # 不要写 [p:-p]：p = 0 时它是空的"),
    # -- forward -------------------------------------------------------------------------------------------------
    "forward.window": ("Window ({i},{j}) reads {rows}, {cols}.", "窗口 ({i},{j}) 读取{rows}、{cols}。"),
    "forward.sum": ("{expr} = {sum}.", "{expr} = {sum}。"),
    "forward.channel": ("In input channel {c}: {expr} = {sum}.", "输入通道 {c}：{expr} = {sum}。"),
    "forward.channels": ("Over the {count} channels: {expr} = {sum}.", "{count} 个通道之和：{expr} = {sum}。"),
    "forward.bias": ("Plus the bias {b}: {y}.", "加上偏置 {b}：{y}。"),
    "forward.rule": ("Multiply and add; the kernel isn't turned.", "相乘再相加；卷积核不旋转。"),
    # -- matrix --------------------------------------------------------------------------------------------------
    "matrix.column": ("Column {p} of cols is window ({i},{j}), laid out as {count} numbers.",
                      "cols 的第 {p} 列就是窗口 ({i},{j})，摊成 {count} 个数。"),
    "matrix.product": ("Weight row {o} times this column = {sum}.", "权重的第 {o} 行乘以这一列 = {sum}。"),
    "matrix.rule": ("cols repeats a cell once for every window that reads it: {cells} cells become {entries} entries.",
                    "一个格子被几个窗口读取，就在 cols 里重复几次：{cells} 个格子变成 {entries} 个元素。"),
    # -- dW ------------------------------------------------------------------------------------------------------
    "start": ("The accumulator starts with what the windows and samples not shown here have given.",
              "累加器从此处未显示的窗口和样本的贡献开始。"),
    "dw.window": ("G[{i},{j}] = {g} weighs what window ({i},{j}) saw: dW += {g}·{name}[{rows}, {cols}].",
                  "G[{i},{j}] = {g} 乘以窗口 ({i},{j}) 看到的内容：dW += {g}·{name}[{rows}, {cols}]。"),
    "dw.tap": ("Tap ({kh},{kw}) saw {x}: {before} → {after}, contribution {k} of {n}.",
               "权重 ({kh},{kw}) 看到 {x}：{before} → {after}，第 {k} 个贡献，共 {n} 个。"),
    "dw.rule": ("Every window uses every tap, so we sum over all windows and samples; the kernel isn't turned here either.",
                "每个窗口都用到每个权重，所以对所有窗口和样本求和；这里卷积核同样不旋转。"),
    # -- dX, scatter ---------------------------------------------------------------------------------------------
    "dx.window": ("G[{i},{j}] = {g} travels back through the {taps} taps: {name}[{rows},{cols}] += {g}·w.",
                  "G[{i},{j}] = {g} 沿 {taps} 个权重返回：{name}[{rows},{cols}] += {g}·w。"),
    "dx.windows": (("At ({i},{j}) G has one number per output channel, and each travels back through its own kernel: "
                   "{name}[{rows},{cols}] += {expr}."),
                   "在 ({i},{j}) 处，每个输出通道各有一个 G，各自沿自己的卷积核返回：{name}[{rows},{cols}] += {expr}。"),
    "dx.cell": ("Cell ({r},{q}): {before} → {after}, contribution {k} of {n}.",
                "格子 ({r},{q})：{before} → {after}，第 {k} 个贡献，共 {n} 个。"),
    "dx.overlap": ("Windows overlap, so we add; assigning would keep only the last.",
                   "窗口有重叠，所以要累加；若用赋值则只剩最后一个。"),
    "dx.apart": ("These windows do not overlap, so each cell gets at most one contribution.",
                 "这些窗口互不重叠，每个格子至多得到一个贡献。"),
    "dx.crop": ("Last, the padding is cut off: dX = dXpad[{rows}, {cols}]. Padding is a constant, so nobody needs its gradient.",
                "最后裁掉填充：dX = dXpad[{rows}, {cols}]。填充是常数，没人需要它的梯度。"),
    "dx.give_back": (("Last, the border is folded back: each padding cell is a copy of a pixel ({mode}), so its gradient is "
                     "added to that pixel."),
                     "最后把边界折回：每个填充格是某个像素的副本（{mode}），它的梯度要加回那个像素。"),
    # -- dX, gather ----------------------------------------------------------------------------------------------
    "gather.which": ("Which windows read cell ({r},{q})? {list}.", "哪些窗口读过格子 ({r},{q})？{list}。"),
    "gather.pair": ("({i},{j}) through tap ({kh},{kw})", "窗口 ({i},{j}) 经权重 ({kh},{kw})"),
    "gather.sum": ("G·w: {expr} = {sum}.", "G·w：{expr} = {sum}。"),
    "gather.turn": ("As the window moves right the tap moves left: a full correlation of G with the kernel turned 180°.",
                    "窗口右移，权重就左移：这正是 G 与旋转 180° 的卷积核的全相关。"),
    "gather.stride": ("With stride {s} a window starts only every {s} cells, hence the zeros between the G cells.",
                      "步幅为 {s} 时，每隔 {s} 格才开始一个窗口，所以 G 的格子之间插入了零。"),
    "gather.none": ("Which windows read cell ({r},{q})? None, so its gradient is 0.",
                    "哪些窗口读过格子 ({r},{q})？没有，所以它的梯度为 0。"),
    # -- db ------------------------------------------------------------------------------------------------------
    "db.add": ("G[{i},{j}] = {g}: db goes {before} → {after}, contribution {k} of {n}.",
               "G[{i},{j}] = {g}：db 由 {before} → {after}，第 {k} 个贡献，共 {n} 个。"),
    "db.rule": ("The bias was added to every output cell with factor 1, so db is the sum of G, not its mean.",
                "偏置以系数 1 加到每个输出格，所以 db 是 G 的总和，而不是平均。"),
    # -- borders -------------------------------------------------------------------------------------------------
    "borders.coverage": (("Windows that read cell ({r},{q}): {low}; cell ({r2},{q2}): {high}. With all weights and all G equal to 1, "
                         "dX would be exactly these counts."),
                         "格子 ({r},{q}) 被 {low} 个窗口读取，格子 ({r2},{q2}) 被 {high} 个读取：若权重与 G 全为 1，dX 恰好就是这些次数。"),
    "borders.even": ("Windows that read a cell: {low}, for every cell alike, so no cell has more say than another.",
                     "每个格子都被 {low} 个窗口读取：没有谁更有发言权。"),
    "borders.pad_helps": ("Padding lets windows hang over the edge, so border pixels are read more often than without it.",
                          "填充让窗口伸出边缘，边上的像素因此被读得更多。"),
    "borders.no_pad": ("Without padding, pixels at the border have less say; the four padding modes agree when there is none.",
                       "没有填充时，边上的像素发言权小；没有填充，四种填充方式也就没有区别。"),
    "borders.remainder": (("Stride {s} and {span} free places leave a remainder of {left}: {what} is never read. "
                          "Its gradient is 0, and dX still has the shape of x."),
                          "步幅 {s} 除 {span} 个可移动位置余 {left}：{what}从未被读取。它的梯度为 0，而 dX 的形状仍与 x 相同。"),
    "borders.drop": ("Padding cell ({r},{q}) received {value}. It is a constant 0, not a pixel, so its gradient is dropped.",
                     "填充格 ({r},{q}) 收到 {value}。它是常数 0 而不是像素，所以这个梯度被丢弃。"),
    "borders.copy": (("Padding cell ({r},{q}) is a copy of pixel ({r2},{q2}) ({mode}), so the {value} it received is added "
                     "there: {before} → {after}."),
                     "填充格 ({r},{q}) 是像素 ({r2},{q2}) 的副本（{mode}），所以它收到的 {value} 加到那里：{before} → {after}。"),
    # -- static tables and graph ---------------------------------------------------------------------------------
    "static": ("The numbers at the end, as tables", "最终数值表"),
    "static.y": ("y, sample {n}, output channel {o}", "y，样本 {n}，输出通道 {o}"),
    "static.dx": ("dX, sample {n}, input channel {c}", "dX，样本 {n}，输入通道 {c}"),
    "static.dw": ("dW, output channel {o}, input channel {c}", "dW，输出通道 {o}，输入通道 {c}"),
    "static.db": ("db, output channel {o}", "db，输出通道 {o}"),
    "static.coverage": ("coverage: how many windows read each cell", "覆盖次数：每个格子被多少个窗口读取"),
    "noscript": ("JavaScript is off: these are the final numbers. With it, this page shows how they come about, step by step.",
                 "JavaScript 已关闭：以下是最终数值。开启后，本页会一步步展示它们的由来。"),
    "graph.title": ("The graph of a computation", "计算图"),
    "graph.facts": ("{operations} operations, {leaves} tensors that collect a gradient, {boxes} boxes. Results flow downwards, "
                    "gradients back up.",
                    "{operations} 个运算，{leaves} 个收集梯度的张量，{boxes} 个方框。结果向下流，梯度向上回。"),
    "graph.folded": ("More than {limit} boxes, so operations are folded by module.", "超过 {limit} 个方框，因此按模块折叠。"),
    "graph.no_gradient": ("no gradient yet", "尚无梯度"),
    "graph.operations": ("{count} operations: {names}", "{count} 个运算：{names}"),
    "graph.parameters": ("{count} parameters", "{count} 个参数"),
    "terminal.steps": ("First steps ({mode}):", "前几步（{mode}）："),
    "terminal.more": ("… {count} more; .steps({mode!r}) has them all, .save('conv.html') draws them.",
                      "…… 还有 {count} 步；.steps({mode!r}) 列出全部，.save('conv.html') 画出来。"),
    # -- training report -----------------------------------------------------------------------------------------
    "report.title": ("How the network learned", "网络是怎样学会的"),
    "report.test": ("Test accuracy", "测试准确率"),
    "report.of": ("{part}, {right} of {count} images", "{part}，{count} 张图像中对 {right} 张"),
    "report.epochs": ("Epochs", "训练轮数"),
    "report.last_loss": ("Last loss", "最后的损失"),
    "report.after": ("{loss} after {seen} images", "{loss}，此时已看 {seen} 张图像"),
    "report.numbers": ("The numbers", "数值"),
    "report.seen": ("images seen", "已看图像数"),
    "report.epoch": ("epoch", "轮次"),
    "report.loss": ("Loss on training batches", "训练批次的损失"),
    "report.loss_said": ("Loss from {first} at first to {last} at last; {count} batches over {seen} images.",
                         "损失从最初的 {first} 到最后的 {last}；{seen} 张图像中的 {count} 个批次。"),
    "report.loss_note": ("Thin: single batches; thick: the mean of {count} neighbours. The scale is logarithmic.",
                         "细线：单个批次；粗线：相邻 {count} 个的平均。对数刻度。"),
    "report.not_finite": ("Some values were nan or infinite and are not drawn.", "有些值是 nan 或无穷大，没有画出。"),
    "report.accuracy": ("Accuracy on test images", "测试图像上的准确率"),
    "report.accuracy_said": ("Accuracy from {first} to {last}, measured {count} times; at best {best}.",
                             "准确率从 {first} 到 {last}，共测 {count} 次；最高 {best}。"),
    "report.accuracy_note": ("After each epoch, on images that the network was not trained with.",
                             "每轮之后，在没有用来训练的图像上测得。"),
    "report.gradients": ("Gradients, layer by layer", "逐层的梯度"),
    "report.gradients_lead": (("The norm of each parameter's gradient in the course of training, all on one logarithmic scale. A layer whose "
                              "line lies far below the others hardly learns; a line that shoots up announces divergence."),
                              ("训练过程中每个参数的梯度范数，共用同一个对数刻度。哪一层的线远远低于其他层，它就几乎没有在学；"
                              "线突然冲高，则是发散的前兆。")),
    "report.gradients_note": (("“≈ 0”: less than a 100,000th of the largest, which is rounding. This is typical of the bias of a "
                              "convolution before a batch normalisation, which takes every constant away again."),
                              ("“≈ 0”：不到最大值的十万分之一，只是舍入误差。批归一化之前的卷积偏置就是这样：归一化会把任何常数再减掉。")),
    "report.noise": ("≈ 0", "≈ 0"),
    "report.parameter": ("parameter", "参数"), "report.shape": ("shape", "形状"), "report.course": ("course", "变化过程"),
    "report.first": ("first", "最初"), "report.median": ("median", "中位数"), "report.last": ("last", "最后"),
    "report.kernels": ("What the first convolution looks for: {name}", "第一个卷积层在找什么：{name}"),
    "report.kernels_lead": (("Each square is a kernel. Where it is red, brightness counts for the output, where it is blue, against it. "
                            "Full colour is ±{most}."),
                            "每个方块是一个卷积核。红色处的亮度使输出变大，蓝色处使输出变小；颜色最深为 ±{most}。"),
    "report.kernel": ("Kernel {name}: weights from {low} to {high}", "卷积核 {name}：权重从 {low} 到 {high}"),
    "report.what_kernels": ("kernels", "卷积核"),
    "report.maps": ("One image on its way through the convolutions", "一张图像穿过各卷积层"),
    "report.maps_lead": (("Image {k}: a {truth}, taken for {guess} ({part}). Each square is one channel of what a convolution puts out, "
                         "before normalisation and activation: red is positive, blue is negative."),
                         ("第 {k} 张图像：真实类别 {truth}，被认作 {guess}（{part}）。每个方块是卷积输出的一个通道，"
                         "尚未归一化和激活：红色为正，蓝色为负。")),
    "report.layer": ("{name}: {shape}, full colour is ±{most}", "{name}：{shape}，颜色最深为 ±{most}"),
    "report.map": ("{name}, channel {channel}: from {low} to {high}", "{name}，通道 {channel}：从 {low} 到 {high}"),
    "report.what_layers": ("convolutions", "卷积层"),
    "report.image": ("Image {k}, truly {truth}", "第 {k} 张图像，真实类别 {truth}"),
    "report.confusion": ("What was taken for what", "混淆矩阵：把什么认成了什么"),
    "report.confusion_lead": (("Rows: what the images are. Columns: what the network takes them for. On the diagonal it is right; "
                              "the last column is the part of the row that is."),
                              "行：图像的真实类别；列：网络的判断。对角线上是判断正确的；最后一列是该行中正确的比例。"),
    "report.corner": ("is\u00a0↓ taken\u00a0for\u00a0→", "真实\u00a0↓ 判断\u00a0→"),
    "report.found": ("right", "正确"),
    "report.wrong": ("Taken for something else: {count} of {all}", "认错的图像：{all} 张中的 {count} 张"),
    "report.wrong_lead": ("Those of which the network was most certain come first; below each, how certain it was.",
                          "网络最有把握的排在前面；每张下方是它的把握。"),
    "report.wrong_none": ("Every image was recognised", "所有图像都认对了"),
    "report.taken": ("{truth} taken for {guess}", "{truth} 认成 {guess}"),
    "report.what_wrong": ("wrong images", "认错的图像"),
}


def say(lang: str, key: str, **values: object) -> str:
    """The text `key` in one language, its slots filled; a value given as (English, Chinese) picks its own column."""
    column = list(LANGUAGES).index(lang)
    picked = {name: value[column] if isinstance(value, tuple) else value for name, value in values.items()}
    return TEXTS[key][column].format(**picked)


def both(key: str, **values: object) -> tuple[str, ...]:
    """The text `key` in every language."""
    return tuple(say(lang, key, **values) for lang in LANGUAGES)
